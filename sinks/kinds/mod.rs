//! The kinds of sinks that are code, one file a kind.

use std::sync::Arc;

use crate::Kind;

pub mod alertmanager;
pub mod dnspod;
pub mod email;
#[cfg(unix)]
pub mod exec;
pub mod file;
pub mod kafka;
pub mod mqtt;
pub mod mysql;
pub mod nats;
pub mod postgres;
pub mod rabbitmq;
pub mod redis;
pub mod sqlite;
pub mod stdout;
pub mod syslog;
pub mod webhook;

/// Every kind that is code.
pub(crate) fn coded() -> Vec<Arc<dyn Kind>> {
    vec![
        Arc::new(alertmanager::AlertmanagerKind),
        Arc::new(dnspod::DnspodKind),
        Arc::new(email::EmailKind),
        #[cfg(unix)]
        Arc::new(exec::ExecKind),
        Arc::new(file::FileKind),
        Arc::new(kafka::KafkaKind),
        Arc::new(mqtt::MqttKind),
        Arc::new(mysql::MysqlKind),
        Arc::new(nats::NatsKind),
        Arc::new(postgres::PostgresKind),
        Arc::new(rabbitmq::RabbitmqKind),
        Arc::new(redis::RedisKind),
        Arc::new(sqlite::SqliteKind),
        Arc::new(stdout::StdoutKind),
        Arc::new(syslog::SyslogKind),
        Arc::new(webhook::WebhookKind),
    ]
}
