//! Random callbacks, outcomes and acts of operators.

use std::sync::Arc;

use campanile_model::{Fault, Severity, Status, Worth};
use campanile_store::{
    Answered, Appending, Arrival, DeadFilter, Entry, Seq, Settlement, SinkId, Store, Verdict,
};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::suite::{act, alert, at, entry, settlement};

/// Does what vendors, sinks and operators do.
pub(super) struct Life {
    pub(super) store: Arc<dyn Store>,
    random: SmallRng,
    pub(super) sinks: Vec<SinkId>,
    /// The alerts so far, with their sinks.
    sent: Vec<(Seq, Vec<SinkId>)>,
    messages: u32,
    pub(super) second: i64,
}

impl Life {
    pub(super) async fn of(store: Arc<dyn Store>, seed: u64) -> Self {
        let names = ["webhook/one", "webhook/two", "webhook/three"].map(str::to_owned);
        let sinks = store.sink_ids(names.to_vec()).await.unwrap();
        Self {
            store,
            random: SmallRng::seed_from_u64(seed),
            sinks,
            sent: Vec::new(),
            messages: 0,
            second: 0,
        }
    }

    /// Takes so many random steps.
    pub(super) async fn go_on(&mut self, steps: u32) {
        for _ in 0..steps {
            self.second += 1;
            match self.random.random_range(0..10) {
                0..=3 => self.callback().await,
                4..=7 => self.settlement().await,
                8 => self.quarantined().await,
                _ => self.operator().await,
            }
        }
    }

    async fn callback(&mut self) {
        let alerts = self.random.random_range(0..4);
        let mut of = entry(Vec::new());
        let mut sinks_of = Vec::new();
        for _ in 0..alerts {
            self.messages += 1;
            let status = if self.random.random_bool(0.7) {
                Status::Firing
            } else {
                Status::Resolved
            };
            let sinks: Vec<SinkId> = self.sinks.clone();
            let sinks: Vec<SinkId> = sinks
                .into_iter()
                .filter(|_| self.random.random_bool(0.5))
                .collect();
            // Some messages come twice.
            let name = self.random.random_range(0..=self.messages);
            let problem = self.random.random_range(0..9);
            let mut alert = alert(&format!("m{name}"), problem, status, &sinks);
            alert.severity = Severity::ALL[self.random.random_range(0..5)];
            "a route".clone_into(&mut alert.said);
            of.alerts.push(alert);
            sinks_of.push(sinks);
        }
        self.describe(&mut of);
        let appended = self.store.append(of).await.unwrap();
        for (appending, sinks) in appended.alerts.iter().zip(sinks_of) {
            if let Appending::Accepted { seq, .. } = appending {
                self.sent.push((*seq, sinks));
            }
        }
    }

    fn describe(&mut self, of: &mut Entry) {
        of.received_at = at(self.second * 20);
        let source = self.random.random_range(0..3);
        of.source = format!("ucloud/{source}").into();
        let text = |text: &str| Some(text.into());
        of.arrival = Arrival {
            from: Some([10, 0, 0, 7].into()),
            answer: Some(Answered {
                status: 200,
                text: "OK 00000000-0000-0000-0000-000000000000".to_owned(),
            }),
            routes: text(if self.second % 2 == 0 {
                "these"
            } else {
                "those"
            }),
            trace: self.random.random_bool(0.5).then(|| "a trace".to_owned()),
        };
    }

    async fn quarantined(&mut self) {
        let mut of = entry(Vec::new());
        self.describe(&mut of);
        of.faults = vec![Fault::new("body", "is not JSON")];
        self.store.append(of).await.unwrap();
    }

    async fn settlement(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let (seq, sinks) = self.sent[self.random.random_range(0..self.sent.len())].clone();
        let Some(sink) = sinks.first() else { return };
        let verdict = match self.random.random_range(0..5) {
            0 => Verdict::Delivered,
            3 => Verdict::Held {
                reason: "silence 1".to_owned(),
            },
            4 => Verdict::Muted {
                reason: "silence 2".to_owned(),
            },
            1 => Verdict::Again {
                due_at: at(self.second * 20 + 60),
                error: "the receiver is slow".to_owned(),
            },
            _ => Verdict::Dead {
                class: "poison",
                error: "the receiver refuses it".to_owned(),
            },
        };
        let is_delivered = verdict == Verdict::Delivered;
        let outcome = Settlement {
            at: at(self.second * 20),
            attempt: 2,
            handle: is_delivered.then(|| format!("handle-{seq}")),
            worth: is_delivered.then_some(Worth::Accepted),
            remark: is_delivered.then(|| "cut".to_owned()),
            ..settlement(*sink, seq, verdict)
        };
        self.store.settle(vec![outcome]).await.unwrap();
    }

    async fn operator(&mut self) {
        let dead = DeadFilter {
            limit: 1,
            ..DeadFilter::default()
        };
        let letters = self.store.dead(dead).await.unwrap();
        let ids = letters.iter().map(|letter| letter.id).collect();
        if self.random.random_bool(0.5) {
            self.store.retry_dead(ids, act("dead.retry")).await.unwrap();
        } else {
            self.store.drop_dead(ids, act("dead.drop")).await.unwrap();
        }
        let mut note = act("sinks.pause");
        "an operator".clone_into(&mut note.who);
        self.store.record(note, 1).await.unwrap();
    }
}
