//! The columns and the values of the tables that are copied as a whole, for `COPY`.

use campanile_model::Severity;
use tokio_postgres::types::{ToSql, Type};

use crate::copy::{At, Record, Table};
use crate::id;
use crate::postgres::numbers::{int, severity_number, small};

/// The table with its columns, and their types.
pub(super) fn columns(table: Table) -> Option<(&'static str, &'static [Type])> {
    const INT2: Type = Type::INT2;
    const INT4: Type = Type::INT4;
    const INT8: Type = Type::INT8;
    const TEXT: Type = Type::TEXT;
    const TIME: Type = Type::TIMESTAMPTZ;
    const UUID: Type = Type::UUID;
    const BYTEA: Type = Type::BYTEA;
    Some(match table {
        Table::Callback | Table::Alert | Table::Attempt => return None,
        Table::Name => ("name (kind, id, name)", &[TEXT, INT4, TEXT]),
        Table::Sink => ("sink (id, name)", &[INT4, TEXT]),
        Table::Problem => (
            "problem (source, fingerprint, severity, episode, newest, plan)",
            &[INT4, INT8, INT2, UUID, INT8, Type::INT4_ARRAY],
        ),
        Table::Pending => (
            "pending (sink, seq, lane, since, due, attempts, code, retried, error)",
            &[INT4, INT8, INT8, TIME, TIME, INT4, INT4, Type::BOOL, TEXT],
        ),
        Table::Dead => (
            "dead (id, sink, seq, lane, at, attempts, code, class, error)",
            &[INT8, INT4, INT8, INT8, TIME, INT4, INT4, TEXT, TEXT],
        ),
        Table::Quarantine => (
            "quarantine (id, source, received, faults, raw, arrival)",
            &[INT8, INT4, TIME, TEXT, BYTEA, BYTEA],
        ),
        Table::Handle => (
            "handle (episode, sink, source, fingerprint, ended, handle)",
            &[UUID, INT4, INT4, INT8, INT8, TEXT],
        ),
        Table::Audit => (
            "audit (number, act, at, who, role, via, client, caller, action, target, count, detail)",
            &[
                INT8, UUID, TIME, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, INT8, TEXT,
            ],
        ),
        Table::Tally => (
            "tally (minute, source, severity, status, n)",
            &[INT4, INT4, INT2, INT2, INT8],
        ),
        Table::Held => (
            "held (sink, source, fingerprint, seq, since, reason)",
            &[INT4, INT4, INT8, INT8, TIME, TEXT],
        ),
        Table::Untold => (
            "untold (sink, source, fingerprint, episode)",
            &[INT4, INT4, INT8, UUID],
        ),
        Table::Outcome => (
            "outcome (seq, sink, at, ending, reason)",
            &[INT8, INT4, TIME, INT2, TEXT],
        ),
        Table::Silence => (
            "silence (id, made, begins, until, matching, after, who, comment, ended)",
            &[INT8, TIME, TIME, TIME, TEXT, TEXT, TEXT, TEXT, TIME],
        ),
    })
}

type Value<'v> = Box<dyn ToSql + Sync + Send + 'v>;

/// The values of a row, in the order of [`columns`].
#[expect(clippy::too_many_lines, reason = "one list for each table")]
pub(super) fn values(row: &Record) -> Vec<Value<'_>> {
    match row {
        Record::Name { routes, id, name } => {
            let kind = if *routes { "routes" } else { "source" };
            vec![Box::new(kind), Box::new(int(*id)), Box::new(name)]
        }
        Record::Sink { id, name } => vec![Box::new(int(*id)), Box::new(name)],
        Record::Problem {
            source,
            fingerprint,
            episode,
            plan,
        } => vec![
            Box::new(int(*source)),
            Box::new(fingerprint),
            // Until the newest alert is known; the one that opened it need not be kept.
            Box::new(severity_number(Severity::Unknown)),
            Box::new(episode),
            Box::new(id::seq_of(*episode)),
            Box::new(
                plan.as_ref()
                    .map(|plan| plan.iter().copied().map(int).collect::<Vec<_>>()),
            ),
        ],
        Record::Pending {
            sink,
            seq,
            lane,
            attempts,
            since,
            due,
            retried,
            code,
            error,
        } => vec![
            Box::new(int(*sink)),
            Box::new(seq),
            Box::new(lane),
            Box::new(since.time()),
            Box::new(due.map(At::time)),
            Box::new(int(*attempts)),
            Box::new(code.map(int)),
            Box::new(retried),
            Box::new(error),
        ],
        Record::Dead {
            id,
            sink,
            seq,
            lane,
            attempts,
            at,
            class,
            error,
            code,
        } => vec![
            Box::new(id),
            Box::new(int(*sink)),
            Box::new(seq),
            Box::new(lane),
            Box::new(at.time()),
            Box::new(int(*attempts)),
            Box::new(code.map(int)),
            Box::new(class),
            Box::new(error),
        ],
        Record::Quarantine {
            id,
            source,
            received,
            faults,
            raw,
            arrival,
        } => vec![
            Box::new(id),
            Box::new(int(*source)),
            Box::new(received.time()),
            Box::new(faults),
            Box::new(raw),
            Box::new(arrival),
        ],
        Record::Handle {
            episode,
            sink,
            source,
            fingerprint,
            ended,
            handle,
        } => vec![
            Box::new(episode),
            Box::new(int(*sink)),
            Box::new(int(*source)),
            Box::new(fingerprint),
            Box::new(ended),
            Box::new(handle),
        ],
        Record::Audit {
            id,
            act,
            at,
            who,
            role,
            via,
            client,
            caller,
            action,
            target,
            count,
            detail,
        } => vec![
            Box::new(id),
            Box::new(act),
            Box::new(at.time()),
            Box::new(who),
            Box::new(role),
            Box::new(via),
            Box::new(client),
            Box::new(caller),
            Box::new(action),
            Box::new(target),
            Box::new(count),
            Box::new(detail),
        ],
        Record::Tally {
            minute,
            source,
            severity,
            status,
            count,
        } => vec![
            Box::new(int(*minute)),
            Box::new(int(*source)),
            Box::new(small(*severity)),
            Box::new(small(*status)),
            Box::new(count),
        ],
        Record::Held {
            sink,
            source,
            fingerprint,
            seq,
            since,
            reason,
        } => vec![
            Box::new(int(*sink)),
            Box::new(int(*source)),
            Box::new(fingerprint),
            Box::new(seq),
            Box::new(since.time()),
            Box::new(reason),
        ],
        Record::Untold {
            sink,
            source,
            fingerprint,
            episode,
        } => vec![
            Box::new(int(*sink)),
            Box::new(int(*source)),
            Box::new(fingerprint),
            Box::new(episode),
        ],
        Record::Outcome {
            seq,
            sink,
            at,
            ending,
            reason,
        } => vec![
            Box::new(seq),
            Box::new(int(*sink)),
            Box::new(at.time()),
            Box::new(small(*ending)),
            Box::new(reason),
        ],
        Record::Silence {
            id,
            made,
            from,
            until,
            matching,
            after,
            who,
            comment,
            ended,
        } => vec![
            Box::new(id),
            Box::new(made.time()),
            Box::new(from.time()),
            Box::new(until.time()),
            Box::new(matching),
            Box::new(after),
            Box::new(who),
            Box::new(comment),
            Box::new(ended.map(At::time)),
        ],
    }
}
