//! After a fault: waits until nothing is pending, then checks every promise.

use std::time::Instant;

use campanile_model::Clock;

use super::{IN_FLIGHT, LOOK_EVERY, RETRY_MAX, Stage, UNSETTLED};
use crate::operator::{Operator, Standing};
use crate::oracle;
use crate::receiver::{Receiver, is_refused};
use crate::{Trouble, judge, secrets};

impl Stage {
    /// Lets vendors repeat messages without an answer, waits until nothing is pending, and checks every promise.
    pub(crate) async fn calm(&mut self) -> Result<(), Trouble> {
        for caller in &mut self.callers {
            caller.settle_up(&self.floor).await;
        }
        let operator = self.operator()?;
        self.delivered(operator).await?;
        let pending = self.nothing_pending(operator).await?;
        self.judge()?;
        if let Some(pending) = pending {
            self.record.breach("I5", pending);
        }
        self.balance(operator).await?;
        self.secrets(operator).await?;
        self.size()?;
        self.crashes = 0;
        Ok(())
    }

    /// Waits until every receiver has all its alerts. The oracle finds the alerts that are still missing at the end.
    async fn delivered(&self, operator: Operator) -> Result<(), Trouble> {
        let began = Instant::now();
        let said = self.floor.ledger.said();
        let mut missing: Vec<(&Receiver, &String)> = Vec::new();
        for receiver in &self.receivers {
            let promised = said.iter().filter(|(_, entry)| entry.promised);
            let pending =
                promised.filter(|(key, entry)| oracle::is_owed(receiver.name, key, entry));
            missing.extend(pending.map(|(key, _)| (receiver, key)));
        }
        while began.elapsed() < self.wish.patience {
            self.receivers.iter().try_for_each(Receiver::look)?;
            missing.retain(|(receiver, key)| !receiver.has(key));
            if missing.is_empty() {
                return Ok(());
            }
            let sinks = operator.sinks().await?;
            if sinks.iter().all(Standing::is_done) {
                // No more alerts will arrive.
                return Ok(());
            }
            hurry(operator, &sinks).await?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Waits until the API reports no pending delivery. Returns the report if this never happens.
    async fn nothing_pending(&self, operator: Operator) -> Result<Option<String>, Trouble> {
        let began = Instant::now();
        loop {
            let sinks = operator.sinks().await?;
            let busy: Vec<_> = sinks.iter().filter(|sink| !sink.is_done()).collect();
            if busy.is_empty() {
                return Ok(None);
            }
            if began.elapsed() > self.wish.patience {
                return Ok(Some(format!(
                    "all alerts have arrived, but the API still reports {busy:?}"
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn judge(&mut self) -> Result<(), Trouble> {
        let again_max = self.crashes * (IN_FLIGHT + UNSETTLED);
        let came = judge::came(&self.receivers, again_max, 0)?;
        let accepted = judge::judge(&self.floor.ledger, &came, false, &mut self.record);
        self.kept += accepted.len();
        if came
            .iter()
            .any(|came| came.name == "picky" && came.arrivals.iter().any(|a| !a.taken))
        {
            self.dead += accepted.iter().filter(|key| is_refused(key)).count();
        }
        Ok(())
    }

    /// I5: with nothing pending, the accepted alerts are the delivered and the dead ones, by the gateway's own metrics.
    async fn balance(&mut self, operator: Operator) -> Result<(), Trouble> {
        let began = Instant::now();
        let mut alerts;
        // Pruning of old alerts may still be in progress.
        loop {
            alerts = operator.metric("campanile_alerts").await?;
            let late = began.elapsed() > self.wish.patience;
            if alerts == self.kept as u64 || late || !self.record.breaches.is_empty() {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if alerts != self.kept as u64 {
            let kept = self.kept;
            self.record.breach(
                "I5",
                format!("the store holds {alerts} alerts, but {kept} were accepted"),
            );
        }
        for sink in operator.sinks().await? {
            let expected = if sink.name == "webhook/picky" {
                self.dead as u64
            } else {
                0
            };
            let name = &sink.name;
            let metric = operator
                .metric(&format!("campanile_dead{{sink=\"{name}\"}}"))
                .await?;
            if sink.dead != expected || metric != expected {
                let dead = sink.dead;
                self.record.breach("I5", format!("{name} has {dead} dead letters ({metric} in /metrics), but {expected} alerts were refused permanently"));
            }
        }
        let dead = operator.list("/api/v1/dead").await?;
        if dead
            .iter()
            .any(|letter| letter["error"].as_str().is_none_or(str::is_empty))
        {
            self.record.breach(
                "I1",
                format!("a dead letter has no reason: {:?}", dead.first()),
            );
        }
        Ok(())
    }

    /// I8: no secret is in a log or on a page. The log is truncated after the check, so each part is read once.
    async fn secrets(&mut self, operator: Operator) -> Result<(), Trouble> {
        let mut found = secrets::in_files(&self.house.log())?;
        found.extend(secrets::in_pages(operator).await?);
        std::fs::File::options()
            .write(true)
            .open(self.house.log())?
            .set_len(0)?;
        for found in found {
            self.record.breach("I8", found);
        }
        Ok(())
    }

    /// I9: memory and open files have not grown.
    fn size(&mut self) -> Result<(), Trouble> {
        let gone = || Trouble::said("no gateway runs");
        let size = self.gateway.as_ref().ok_or_else(gone)?.size()?;
        judge::size(&size, &mut self.record);
        Ok(())
    }
}

/// After a receiver is repaired, an operator resumes its sink, and retries what waits because the receiver asked for it.
async fn hurry(operator: Operator, sinks: &[Standing]) -> Result<(), Trouble> {
    for sink in sinks {
        if sink.state == "open" {
            operator.resume(&sink.name).await?;
        } else if sink.waits_longer_than(RETRY_MAX, Clock::machine().now()) {
            operator.retry(&sink.name).await?;
        }
    }
    Ok(())
}
