//! After a fault: waits until nothing is pending, then checks every promise.

use std::fs::File;
use std::time::{Duration, Instant};

use super::Fleet;
use crate::operator::Operator;
use crate::stage::{IN_FLIGHT, UNSETTLED};
use crate::{Trouble, judge, secrets};

/// Between two looks at the tables.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Fleet {
    /// Every gateway runs again. Waits until nothing is pending, and checks every promise.
    pub(super) async fn calm(&mut self) -> Result<(), Trouble> {
        for caller in &mut self.callers {
            caller.settle_up(&self.floor).await;
        }
        self.settled().await?;
        self.judge()?;
        self.balance().await?;
        self.secrets().await?;
        self.size()?;
        (self.takeovers, self.freezes) = (0, 0);
        Ok(())
    }

    /// Waits until every gateway is a member, every sink has an owner, and nothing is pending.
    async fn settled(&mut self) -> Result<(), Trouble> {
        let began = Instant::now();
        let left = "SELECT (SELECT count(*) FROM gateway WHERE NOT dead),
            (SELECT count(*) FROM lease WHERE owner IS NULL OR owner NOT IN (SELECT id FROM gateway WHERE NOT dead)),
            (SELECT count(*) FROM pending)";
        let wanted = format!("{}|0|0", self.places.len());
        loop {
            let found = self.database.sql(left).await;
            if found == wanted {
                return Ok(());
            }
            if began.elapsed() > self.wish.patience {
                let what = format!("members, sinks without owner and pending are {found}");
                self.record.breach("I5", what);
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn judge(&mut self) -> Result<(), Trouble> {
        let again_max = self.takeovers * (IN_FLIGHT + UNSETTLED);
        let late_max = self.freezes * IN_FLIGHT;
        let came = judge::came(&self.receivers, again_max, late_max)?;
        let forgets = self.database.forgets();
        self.kept += judge::judge(&self.floor.ledger, &came, forgets, &mut self.record).len();
        Ok(())
    }

    /// I5: the accepted alerts are in the store once, and none is a dead letter. A gateway counts the same.
    async fn balance(&mut self) -> Result<(), Trouble> {
        let rows = "SELECT (SELECT count(*) FROM alert), (SELECT count(*) FROM dead)";
        let rows = self.database.sql(rows).await;
        let expected = format!("{}|0", self.kept);
        if rows != expected {
            let what =
                format!("alerts and dead letters in the store: {rows}, expected: {expected}");
            self.record.breach("I5", what);
        }
        let operator = Operator(self.gateway(0)?.admin()?);
        let counted = operator.metric("campanile_alerts").await?;
        if counted != self.kept as u64 {
            let what = format!("campanile_alerts is {counted}, expected: {}", self.kept);
            self.record.breach("I5", what);
        }
        Ok(())
    }

    /// I8: no secret is in a log or on a page. The logs are truncated after the check, so each part is read once. Those of a broken
    /// promise are kept.
    async fn secrets(&mut self) -> Result<(), Trouble> {
        let mut found = secrets::in_pages(Operator(self.gateway(0)?.admin()?)).await?;
        for place in &self.places {
            found.extend(secrets::in_files(&place.house.log())?);
            if self.record.breaches.is_empty() {
                let log = File::options().write(true).open(place.house.log())?;
                log.set_len(0)?;
            }
        }
        for found in found {
            self.record.breach("I8", found);
        }
        Ok(())
    }

    /// I9: memory and open files of no gateway have grown.
    fn size(&mut self) -> Result<(), Trouble> {
        for number in 0..self.places.len() {
            let size = self.gateway(number)?.size()?;
            judge::size(&size, &mut self.record);
        }
        Ok(())
    }
}
