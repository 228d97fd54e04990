//! What the broker's reasons mean. Its own texts are not shown: a broker can repeat what it was sent.

use rumqttc::{ConnectReturnCode, ConnectionError, StateError};

use crate::http::client::find;
use crate::{Class, Failure, handshake};

/// The reason for a refused message, and for a connection that the broker ended.
pub(super) fn of_reason(reason: u8) -> Failure {
    let (class, what) = match reason {
        129 | 130 | 153 => (Class::Poison, "it cannot read the message"),
        135 => (
            Class::Operator,
            "the user may not publish to this topic; check the broker's rules",
        ),
        138 | 152 => (
            Class::Operator,
            "an administrator of the broker ended the connection",
        ),
        144 => (
            Class::Operator,
            "it does not accept this topic; check `topic`",
        ),
        149 => (
            Class::TooLarge,
            "the message is larger than its maximum packet",
        ),
        154 => (
            Class::Operator,
            "it does not keep messages; set `retain = false`",
        ),
        155 => (Class::Operator, "it does not offer this `qos`"),
        156 | 157 => (
            Class::Operator,
            "it asks to use another server; check `url`",
        ),
        137 => (Class::Transient, "it is busy"),
        139 => (Class::Transient, "it is shutting down"),
        142 => (
            Class::Transient,
            "another client with the same `client_id` has connected; give each gateway its own",
        ),
        151 => (Class::Transient, "a quota is exceeded"),
        150 | 159 => (Class::Transient, "it asks for fewer messages"),
        _ => (Class::Transient, "it refuses without a cause that it names"),
    };
    Failure::new(
        class,
        format!("the broker answered reason {reason}: {what}"),
    )
}

/// Why there is no connection, or no connection any more.
pub(super) fn of_connection(error: &ConnectionError) -> Failure {
    if let Some(failure) = find::<Failure>(error) {
        return failure.clone();
    }
    // The first does not name their source.
    let (ConnectionError::MqttState(
        StateError::Deserialization(rumqttc::Error::Io(inner)) | StateError::Io(inner),
    )
    | ConnectionError::Io(inner)) = error
    else {
        return of_protocol(error);
    };
    match find::<rustls::Error>(inner) {
        Some(said) => handshake::failure(said),
        None => Failure::new(
            Class::Transient,
            format!("the connection to the broker failed: {}", inner.kind()),
        ),
    }
}

fn of_protocol(error: &ConnectionError) -> Failure {
    match error {
        ConnectionError::ConnectionRefused(code)
        | ConnectionError::MqttState(StateError::ConnFail { reason: code }) => of_refusal(*code),
        ConnectionError::MqttState(StateError::ServerDisconnect { reason_code, .. }) => {
            of_reason(*reason_code as u8)
        }
        ConnectionError::Timeout(_) => {
            Failure::new(Class::Transient, "the broker did not answer in time")
        }
        ConnectionError::MqttState(
            StateError::Deserialization(_) | StateError::ProtocolViolation(_),
        )
        | ConnectionError::NotConnAck(_) => Failure::new(
            Class::Operator,
            "the server does not speak MQTT 5 on this port; check `url` and the version of the broker",
        ),
        _ => Failure::new(Class::Transient, "the connection to the broker failed"),
    }
}

fn of_refusal(code: ConnectReturnCode) -> Failure {
    use ConnectReturnCode as Code;
    let (class, what) = match code {
        Code::BadUserNamePassword | Code::NotAuthorized | Code::BadAuthenticationMethod => (
            Class::Operator,
            "it rejects the credentials; check `user` and `password`",
        ),
        Code::BadClientId | Code::ClientIdentifierNotValid => {
            (Class::Operator, "it does not accept `client_id`")
        }
        Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => {
            (Class::Operator, "it does not speak MQTT 5")
        }
        Code::Banned => (Class::Operator, "this client is banned"),
        Code::UseAnotherServer | Code::ServerMoved => (
            Class::Operator,
            "it asks to use another server; check `url`",
        ),
        _ => (Class::Transient, "it does not accept connections now"),
    };
    Failure::new(class, format!("the broker refused the connection: {what}"))
}
