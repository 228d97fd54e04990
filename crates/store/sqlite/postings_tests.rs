//! Compares the places that are found with those of all rows, over rollbacks, crashes and pruning.

use proptest::prelude::*;

use super::*;
use crate::sqlite::schema;

const RUN: usize = 8;

/// A small store: the postings, and the table of alerts.
struct Store {
    connection: Connection,
    postings: Postings,
    seq: Seq,
}

/// A problem, a source and a severity.
type Of = (u8, u8, u8);

impl Store {
    fn new() -> Self {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let postings = Postings::load(&connection, RUN).unwrap();
        Self {
            connection,
            postings,
            seq: 0,
        }
    }

    fn batch(&mut self, alerts: &[Of], commit: bool) {
        self.connection.execute_batch("BEGIN").unwrap();
        let before = self.seq;
        for (problem, source, severity) in alerts {
            self.seq += 1;
            let (source, severity) = (i64::from(*source), i64::from(*severity));
            self.postings.insert(Post {
                seq: self.seq,
                fingerprint: Fingerprint((*problem).into()),
                group: group(source, severity),
            });
            let sql = "INSERT INTO alert VALUES (?1, 0, ?2, ?1, 0, ?3, ?4, x'', NULL, x'', 0, 0, 0, NULL)";
            let row = params![self.seq, source, severity, problem];
            self.connection.execute(sql, row).unwrap();
        }
        if commit {
            self.postings.write_some(&self.connection).unwrap();
            self.connection.execute_batch("COMMIT").unwrap();
            self.postings.committed(self.seq);
        } else {
            self.postings.write_some(&self.connection).unwrap();
            self.connection.execute_batch("ROLLBACK").unwrap();
            self.seq = before;
            self.postings.rolled_back();
        }
    }

    fn prune(&mut self, before: Seq) {
        let sql = "DELETE FROM alert WHERE received_ms < ?1 AND seq % 5 > 0";
        self.connection.execute(sql, [before]).unwrap();
        while prune(&self.connection, before).unwrap() {}
    }

    /// A crash keeps only the file.
    fn restart(&mut self) {
        self.postings = Postings::load(&self.connection, RUN).unwrap();
    }

    fn rows(&self, which: &str) -> Vec<Seq> {
        let sql = format!("SELECT seq FROM alert WHERE {which} ORDER BY seq DESC");
        let mut select = self.connection.prepare(&sql).unwrap();
        let rows = select.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// The places by postings, as a search finds them: those of rows that were removed are left out.
    fn found(&self, want: &Want, which: &str) -> Vec<Seq> {
        let (mut covered, mut seqs) = recent(&self.postings.shared(), want);
        while let Some(run) = run_before(&self.connection, covered, want).unwrap() {
            assert!(run.last < covered);
            seqs.extend(run.seqs);
            covered = run.first;
        }
        let kept = self.rows("true");
        seqs.retain(|seq| kept.contains(seq));
        seqs.extend(self.rows(&format!("seq < {covered} AND {which}")));
        seqs
    }

    fn check(&self) {
        for problem in 0..4 {
            let which = format!("fingerprint = {problem}");
            let want = Want::Problem(Fingerprint(problem));
            assert_eq!(self.found(&want, &which), self.rows(&which), "{which}");
        }
        for (source, severity) in [(Some(1), None), (None, Some(4)), (Some(2), Some(0))] {
            let part = |name: &str, value: Option<i64>| {
                value.map_or("true".to_owned(), |value| format!("{name} = {value}"))
            };
            let which = [part("source", source), part("severity", severity)].join(" AND ");
            let want = Want::Group(source, severity);
            assert_eq!(self.found(&want, &which), self.rows(&which), "{which}");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Batch(Vec<Of>),
    Failed(Vec<Of>),
    /// Older than the newest by this many places.
    Prune(u8),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let alerts = || prop::collection::vec((0..4_u8, 0..3_u8, 0..5_u8), 0..20);
    prop_oneof![
        6 => alerts().prop_map(Step::Batch),
        1 => alerts().prop_map(Step::Failed),
        1 => (0..60_u8).prop_map(Step::Prune),
        1 => Just(Step::Restart)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_places_of_a_problem_and_of_a_group_are_those_of_its_rows(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut store = Store::new();
        for step in steps {
            match step {
                Step::Batch(alerts) => store.batch(&alerts, true),
                Step::Failed(alerts) => store.batch(&alerts, false),
                Step::Prune(back) => store.prune(store.seq - Seq::from(back)),
                Step::Restart => store.restart(),
            }
            store.check();
        }
    }
}

#[test]
fn few_places_are_in_memory_when_each_alert_has_a_group_of_its_own() {
    let mut store = Store::new();
    let eight: Vec<Of> = (0..8).map(|n| (n, n, 0)).collect();
    for _ in 0..20 {
        store.batch(&eight, true);
        let kept = lock(&store.postings.recent).posts.len();
        assert!(kept <= 2 * RUN, "{kept} places");
    }
    store.check();
}

#[test]
fn a_run_is_written_in_parts_and_removed_as_a_whole() {
    let mut store = Store::new();
    let count = |store: &Store, table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        store
            .connection
            .query_row(&sql, [], |row| row.get(0))
            .unwrap()
    };
    let eight: Vec<Of> = (0..8).map(|n| (n, n % 3, 0)).collect();
    store.batch(&eight, true);
    // One block of problems, and one of each source.
    for (blocks, runs) in [(1, 0), (2, 0), (3, 0), (4, 1)] {
        store.batch(&[], true);
        assert_eq!(
            (count(&store, "posting"), count(&store, "posting_run")),
            (blocks, runs)
        );
    }
    store.prune(9);
    assert_eq!(
        (count(&store, "posting"), count(&store, "posting_run")),
        (0, 0)
    );
    store.check();
}
