//! What an error of the cluster means. The driver's own texts are read and not shown.

use rskafka::client::error::{Error, ProtocolError as Code};
use rskafka::{BackoffError, ConnectionError, SaslError};

use crate::broker::Unsent;
use crate::{Class, Failure};

/// A new topic is not known to every broker at once. From this attempt on, an operator must act.
const UNKNOWN_TOPIC_ATTEMPTS: u32 = 3;

/// Why a record was not written, or a topic not found.
pub(super) fn unsent(error: &Error, topic: &str, attempt: u32) -> Unsent {
    match error {
        Error::ServerError { protocol_error, .. } => refused(*protocol_error, topic, attempt),
        // The driver is set to make no second attempt, so this is the first one.
        Error::RetryFailed(BackoffError::DeadlineExceded { source, .. }) => {
            match source.downcast_ref::<Error>() {
                Some(first) => unsent(first, topic, attempt),
                None => Unsent::lost("the connection to the broker failed"),
            }
        }
        Error::Connection(error) => Unsent::Lost(unconnected(error)),
        Error::InvalidResponse(_) => Unsent::lost("the broker sent a response that is not valid"),
        _ => Unsent::lost("the connection to the broker failed"),
    }
}

/// What a code of Kafka means. Unless it is about this record alone, the connection ends: the next attempt asks again which
/// topics, partitions and leaders there are.
fn refused(code: Code, topic: &str, attempt: u32) -> Unsent {
    let (class, what) = meaning(code, attempt);
    let failure = Failure::new(class, format!("Kafka, topic `{topic}`: {what} ({code})"));
    let of_record = matches!(
        code,
        Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::RequestTimedOut
            | Code::ThrottlingQuotaExceeded
    );
    if of_record || class.is_refusal() {
        Unsent::Refused(failure)
    } else {
        Unsent::Lost(failure)
    }
}

fn meaning(code: Code, attempt: u32) -> (Class, &'static str) {
    use Class::{Operator, Poison, TooLarge, Transient};
    match code {
        Code::LeaderNotAvailable
        | Code::NotLeaderOrFollower
        | Code::UnknownLeaderEpoch
        | Code::FencedLeaderEpoch => (Transient, "the partition has no leader, or a new one"),
        Code::BrokerNotAvailable | Code::ReplicaNotAvailable | Code::NetworkException => {
            (Transient, "a broker of the cluster is not available")
        }
        Code::KafkaStorageError => (Transient, "the disk of the broker fails"),
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => (
            Transient,
            "fewer replicas are in sync than `min.insync.replicas`",
        ),
        Code::RequestTimedOut => (Transient, "the replicas did not confirm the record in time"),
        Code::ThrottlingQuotaExceeded => (Transient, "the user has used up its quota"),
        Code::UnknownTopicOrPartition if attempt < UNKNOWN_TOPIC_ATTEMPTS => {
            (Transient, "the topic does not exist")
        }
        Code::UnknownTopicOrPartition => (Operator, "the topic does not exist"),
        Code::InvalidTopicException => (Operator, "this is not a name that a topic can have"),
        Code::TopicAuthorizationFailed => (
            Operator,
            "the user may not write to it; give the permission",
        ),
        Code::ClusterAuthorizationFailed => {
            (Operator, "the user has no permission in this cluster")
        }
        Code::PolicyViolation => (Operator, "a policy of the cluster forbids the record"),
        Code::MessageTooLarge | Code::RecordListTooLarge => (
            TooLarge,
            "the record is larger than the topic takes (`max.message.bytes`)",
        ),
        Code::CorruptMessage
        | Code::InvalidRequest
        | Code::InvalidTimestamp
        | Code::InvalidRecord => (Poison, "the broker finds the record not valid"),
        _ => (Transient, "the broker has an error"),
    }
}

/// Why the sink has no connection.
pub(super) fn unopened(error: &Error) -> Failure {
    match unsent(error, "", 1) {
        Unsent::Refused(failure) | Unsent::Lost(failure) => failure,
    }
}

/// Why there is no connection to a broker.
fn unconnected(error: &ConnectionError) -> Failure {
    match error {
        ConnectionError::Transport { broker, .. } => {
            let reason = format!(
                "cannot connect to the broker `{broker}`, an address that the cluster advertises: check `advertised.listeners`"
            );
            Failure::new(Class::Transient, reason)
        }
        ConnectionError::SaslFailed(SaslError::ApiError(code)) => signed_in(&code.to_string()),
        ConnectionError::SaslFailed(error) => signed_in(&error.to_string()),
        // The error inside has a private type. Only its text says which step failed.
        ConnectionError::RetryFailed(error) => {
            let text = error.to_string();
            match text.split_once("Sasl handshake failed: ") {
                Some((_, why)) => signed_in(why),
                None => unread(),
            }
        }
        _ => unread(),
    }
}

/// Why the broker did not accept the user.
fn signed_in(why: &str) -> Failure {
    let is = |code: Code| why.contains(&code.to_string());
    let operator = |what: &str| Failure::new(Class::Operator, format!("Kafka: {what}"));
    if is(Code::SaslAuthenticationFailed) {
        operator("it rejects the credentials; check `user`, `password` and `sasl`")
    } else if is(Code::UnsupportedSaslMechanism) || why.contains("unsupported sasl mechanism") {
        operator("the broker does not offer this mechanism; check `sasl`")
    } else if is(Code::IllegalSaslState) || why.contains("Cannot find matching version") {
        operator(
            "the broker expects no credentials on this port; remove `user`, or use another port",
        )
    } else if why.contains("Request error") {
        Failure::new(
            Class::Transient,
            "the broker closed the connection while it checked the credentials",
        )
    } else {
        operator("the broker and the user could not verify each other; check `password` and `sasl`")
    }
}

fn unread() -> Failure {
    Failure::new(
        Class::Transient,
        "the broker closed the connection: it is stopping, or it expects `tls`, a `user` or another port",
    )
}
