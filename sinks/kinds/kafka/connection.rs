//! The connections to a cluster: one for metadata, and one to the leader of each partition in use.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rskafka::BackoffConfig;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder, SaslConfig};
use rskafka::record::Record;
use rustls::ClientConfig;
use tokio::time::Instant;

use super::partitioner::partition;
use super::reasons::{unopened, unsent};
use crate::Failure;
use crate::broker::{Link, Unsent};

/// More partitions can be added to a topic at any time.
const LISTED_FOR: Duration = Duration::from_mins(5);
/// Brokers and networks close connections that are idle for some minutes, the shortest after four (Azure).
const IDLE_MAX: Duration = Duration::from_mins(3);
/// Each leader is a connection of its own.
const LEADERS_MAX: usize = 16;
/// The largest answer that is read: the list of all topics.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The connections of a sink.
pub(super) struct Connection {
    client: Client,
    listed: Mutex<Option<Listed>>,
    leaders: Mutex<VecDeque<Leader>>,
}

/// How many partitions each topic has.
struct Listed {
    at: Instant,
    topics: HashMap<String, u32>,
}

struct Leader {
    used: Instant,
    client: Arc<PartitionClient>,
}

impl Link for Connection {
    /// The driver does not say it. The connections that may be closed are replaced before they are used.
    fn is_open(&self) -> bool {
        true
    }
}

impl Connection {
    /// Connects to this broker, `host:port`, and asks it for the cluster.
    pub(super) async fn open(
        broker: String,
        tls: Option<Arc<ClientConfig>>,
        login: Option<SaslConfig>,
    ) -> Result<Self, Failure> {
        let mut builder = ClientBuilder::new(vec![broker])
            .client_id("campanile")
            .max_message_size(ANSWER_BYTES_MAX)
            .backoff_config(no_retries());
        if let Some(tls) = tls {
            builder = builder.tls_config(tls);
        }
        if let Some(login) = login {
            builder = builder.sasl_config(login);
        }
        let client = builder.build().await;
        Ok(Self {
            client: client.map_err(|error| unopened(&error))?,
            listed: Mutex::default(),
            leaders: Mutex::default(),
        })
    }

    /// Writes a record to the partition of its key.
    pub(super) async fn produce(
        &self,
        topic: &str,
        record: Record,
        attempt: u32,
    ) -> Result<(), Unsent> {
        let count = self.partitions(topic, attempt).await?;
        let number = partition(record.key.as_deref().unwrap_or_default(), count);
        let leader = self.leader(topic, number, attempt).await?;
        let written = leader.produce(vec![record], Compression::NoCompression);
        let written = written.await.map(drop);
        written.map_err(|error| unsent(&error, topic, attempt))
    }

    /// The number of partitions of a topic. At least 1.
    pub(super) async fn partitions(&self, topic: &str, attempt: u32) -> Result<u32, Unsent> {
        if let Some(count) = self.known(topic) {
            return Ok(count);
        }
        if let Some(count) = self.list(topic, attempt).await? {
            return Ok(count);
        }
        // Asked for by its name, the broker says why it does not list the topic, or makes it.
        self.leader(topic, 0, attempt).await?;
        let made = self.list(topic, attempt).await?;
        made.ok_or_else(|| Unsent::lost(format!("Kafka: the topic `{topic}` is being made")))
    }

    fn known(&self, topic: &str) -> Option<u32> {
        let listed = lock(&self.listed);
        let fresh = listed
            .as_ref()
            .filter(|listed| listed.at.elapsed() < LISTED_FOR);
        fresh?.topics.get(topic).copied()
    }

    async fn list(&self, topic: &str, attempt: u32) -> Result<Option<u32>, Unsent> {
        let listed = match self.client.list_topics().await {
            // The connection for metadata was idle. The driver makes another for the next question.
            Err(_) => self.client.list_topics().await,
            listed => listed,
        };
        let listed = listed.map_err(|error| unsent(&error, topic, attempt))?;
        let counted = listed.into_iter().filter_map(|topic| {
            let count = u32::try_from(topic.partitions.len()).ok()?;
            (count > 0).then_some((topic.name, count))
        });
        let topics: HashMap<_, _> = counted.collect();
        let count = topics.get(topic).copied();
        let at = Instant::now();
        *lock(&self.listed) = Some(Listed { at, topics });
        Ok(count)
    }

    /// A connection to the leader of a partition.
    async fn leader(
        &self,
        topic: &str,
        number: u32,
        attempt: u32,
    ) -> Result<Arc<PartitionClient>, Unsent> {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        if let Some(client) = self.connected(topic, number) {
            return Ok(client);
        }
        let client = self
            .client
            .partition_client(topic, number, UnknownTopicHandling::Error)
            .await;
        let client = client.map_err(|error| unsent(&error, topic, attempt))?;
        let client = Arc::new(client);
        let mut leaders = lock(&self.leaders);
        leaders.truncate(LEADERS_MAX - 1);
        leaders.push_front(Leader {
            used: Instant::now(),
            client: Arc::clone(&client),
        });
        Ok(client)
    }

    /// The last used one is the first of the list.
    fn connected(&self, topic: &str, number: i32) -> Option<Arc<PartitionClient>> {
        let mut leaders = lock(&self.leaders);
        leaders.retain(|leader| leader.used.elapsed() < IDLE_MAX);
        let wanted =
            |leader: &Leader| leader.client.topic() == topic && leader.client.partition() == number;
        let mut leader = leaders
            .iter()
            .position(wanted)
            .and_then(|place| leaders.remove(place))?;
        leader.used = Instant::now();
        let client = Arc::clone(&leader.client);
        leaders.push_front(leader);
        Some(client)
    }
}

/// Delivery is the only one who sends again: the driver's default repeats without a limit.
fn no_retries() -> BackoffConfig {
    BackoffConfig {
        deadline: Some(Duration::ZERO),
        ..BackoffConfig::default()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
