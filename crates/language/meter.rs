//! Counts the size of values before they are created. A run that exceeds the limit ends with an error.

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters, tests};

use super::{COUNT_MAX, DEPTH_MAX, WORK_BYTES_MAX, absent};

/// The cost of a value, in addition to the bytes of its text.
const ITEM_BYTES: usize = 32;

/// The bytes that one run has used so far.
#[derive(Debug, Default)]
struct Weighed(usize);

/// Adds the counting filters of [`super::guard`] to `env`, and a bounded `range`.
pub fn add_to(env: &mut Environment<'_>) {
    env.add_filter("__part", part);
    env.add_filter("__kept", part);
    env.add_filter("__factor", factor);
    env.add_function("range", range);
    // `debug` prints every variable, without a limit for nested lists.
    env.remove_global("debug");
}

macro_rules! metered {
    ($env:ident, $only:ident: $($name:ident),+ $(,)?) => {
        $(if $only(stringify!($name)) {
            let original = Value::from_function(filters::$name);
            $env.add_filter(stringify!($name), move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
                let mut args = args.into_values();
                if absent::comes_out(stringify!($name), &mut args) {
                    return Ok(Value::UNDEFINED);
                }
                let made = made_by(stringify!($name), &args)?;
                charge(state, made)?;
                original.call(state, &args)
            });
        })+
    };
}

/// Replaces the engine's filters that `only` accepts by ones that count the size of their result.
pub fn measure(env: &mut Environment<'_>, only: impl Fn(&str) -> bool) {
    metered!(
        env, only: attr, batch, bool, capitalize, chain, default, dictsort, escape, first, float, format, groupby, indent,
        int, items, join, last, lines, list, lower, map, max, min, pprint, reject, rejectattr, replace, reverse, round,
        select, selectattr, slice, sort, split, string, sum, title, tojson, trim, unique, upper, urlencode, zip,
    );
}

macro_rules! comparing {
    ($env:ident: $($name:literal = $test:path),+ $(,)?) => {
        $(
            let original = Value::from_function($test);
            $env.add_test($name, move |state: &mut State<'_, '_>, value: Value, other: Value| {
                weigh(state, &other)?;
                Ok::<_, Error>(original.call(state, &[value, other])?.is_true())
            });
        )+
    };
}

/// Makes `is eq` and similar tests count the value that they compare with, as [`super::guard`] does for operators.
pub fn compare(env: &mut Environment<'_>) {
    comparing!(
        env: "eq" = tests::is_eq, "equalto" = tests::is_eq, "==" = tests::is_eq, "ne" = tests::is_ne, "!=" = tests::is_ne,
        "lt" = tests::is_lt, "lessthan" = tests::is_lt, "<" = tests::is_lt, "le" = tests::is_le, "<=" = tests::is_le,
        "gt" = tests::is_gt, "greaterthan" = tests::is_gt, ">" = tests::is_gt, "ge" = tests::is_ge, ">=" = tests::is_ge,
        "in" = tests::is_in,
    );
}

/// Adds `bytes` to the total of the run. Fails above [`WORK_BYTES_MAX`].
pub fn charge(state: &mut State<'_, '_>, bytes: usize) -> Result<(), Error> {
    let weighed = state.get_or_insert_extension_with(Weighed::default);
    weighed.0 = weighed.0.saturating_add(bytes);
    if weighed.0 <= WORK_BYTES_MAX {
        return Ok(());
    }
    Err(wrong(format!(
        "its texts and lists are larger than {} MiB in total: repeat, join or assign less",
        WORK_BYTES_MAX / 1024 / 1024
    )))
}

/// Counts a value that is about to be copied or printed.
pub fn weigh(state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let bytes = weight(value)?.bytes;
    charge(state, bytes)
}

/// Counts an operand or an assigned value and returns it unchanged.
fn part(state: &mut State<'_, '_>, value: Value) -> Result<Value, Error> {
    weigh(state, &value)?;
    Ok(value)
}

/// An operand of `*`. The engine would repeat a text or a list, so only numbers pass.
fn factor(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Number | ValueKind::Bool | ValueKind::Undefined | ValueKind::None => Ok(value),
        kind => Err(wrong(format!(
            "`*` is for numbers, and this is a {kind}: a text or a list cannot be repeated"
        ))),
    }
}

fn range(lower: i64, upper: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (from, to) = upper.map_or((0, lower), |upper| (lower, upper));
    let (step, down) = match step.unwrap_or(1) {
        0 => return Err(wrong("`range` cannot have a step of 0".to_owned())),
        step => (step.unsigned_abs(), step < 0),
    };
    let span = if down && from > to || !down && to > from {
        from.abs_diff(to)
    } else {
        0
    };
    let count = usize::try_from(span.div_ceil(step)).unwrap_or(usize::MAX);
    within("range", count)?;
    let numbers = (0..span).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    let numbers = numbers.map(|gone| {
        if down {
            from.saturating_sub_unsigned(gone)
        } else {
            from.saturating_add_unsigned(gone)
        }
    });
    Ok(numbers.collect::<Vec<_>>().into())
}

/// Refuses a count above [`COUNT_MAX`].
fn within(what: &str, count: usize) -> Result<usize, Error> {
    if count <= COUNT_MAX {
        return Ok(count);
    }
    Err(wrong(format!("`{what}` takes at most {COUNT_MAX}")))
}

/// An upper bound of the bytes that this filter reads and writes for these arguments.
fn made_by(name: &str, args: &[Value]) -> Result<usize, Error> {
    let mut all = Weight::default();
    for arg in args {
        all.add(arg, 0)?;
    }
    let more = match name {
        "indent" => lines(args) * within(name, number(args, "width", 4))?,
        // Twice: for the filled-in items and for the lists around them.
        "batch" | "slice" => 2 * ITEM_BYTES * within(name, number(args, "", 1))?,
        "format" => widest(args)?.saturating_mul(signs(args)),
        "tojson" | "pprint" => {
            let plain = name == "tojson" && args.len() == 1;
            let indent = if plain {
                0
            } else {
                within(name, number(args, "indent", 4))?
            };
            let blanks = all.items * all.deepest * indent;
            blanks.saturating_add(all.bytes)
        }
        "replace" => {
            let [value, from, to] = [0, 1, 2].map(|at| text(args, at));
            let found = if from.is_empty() {
                value.chars().count() + 1
            } else {
                value.matches(from).count()
            };
            found.saturating_mul(to.len())
        }
        "join" => text(args, 1).len().saturating_mul(all.items),
        // Every piece is a value.
        "split" | "lines" | "list" => text(args, 0).len().saturating_mul(ITEM_BYTES),
        // Each call can get all other arguments.
        "map" | "select" | "reject" | "selectattr" | "rejectattr" | "urlencode" => 2 * all.bytes,
        _ => 0,
    };
    Ok(all.bytes.saturating_add(more))
}

fn text(args: &[Value], at: usize) -> &str {
    args.get(at).and_then(Value::as_str).unwrap_or_default()
}

fn lines(args: &[Value]) -> usize {
    text(args, 0).matches('\n').count() + 1
}

/// The number in the first argument after the value, or in the keyword `name`.
fn number(args: &[Value], name: &str, default: usize) -> usize {
    let as_number = |value: &Value| match value.kind() {
        ValueKind::Number => Some(usize::try_from(value.clone()).unwrap_or(usize::MAX)),
        _ => None,
    };
    let positional = args.get(1).and_then(as_number);
    let keyword = || {
        let keywords = Kwargs::try_from(args.last()?.clone()).ok()?;
        as_number(&keywords.peek::<Value>(name).ok()?)
    };
    positional.or_else(keyword).unwrap_or(default)
}

/// The number of placeholders in a format.
fn signs(args: &[Value]) -> usize {
    text(args, 0).matches('%').count()
}

/// The largest padding of one placeholder: a number in the format, or an argument for a `*`.
fn widest(args: &[Value]) -> Result<usize, Error> {
    let format = text(args, 0);
    let digits = format.split(|c: char| !c.is_ascii_digit());
    let mut widest = 0;
    for run in digits.filter(|run| !run.is_empty()) {
        widest = widest.max(within("format", run.parse().unwrap_or(usize::MAX))?);
    }
    if format.contains('*') {
        for arg in args.iter().skip(1) {
            let Ok(width) = i64::try_from(arg.clone()) else {
                continue;
            };
            let width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
            widest = widest.max(within("format", width)?);
        }
    }
    Ok(widest)
}

/// The size of a value when it is printed.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    bytes: usize,
    items: usize,
    deepest: usize,
}

fn weight(value: &Value) -> Result<Weight, Error> {
    let mut weight = Weight::default();
    weight.add(value, 0)?;
    Ok(weight)
}

impl Weight {
    /// Stops above the limit: a list can contain another list a thousand times.
    fn add(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            return Err(wrong(format!(
                "lists are nested more than {DEPTH_MAX} levels deep"
            )));
        }
        self.items += 1;
        self.deepest = self.deepest.max(depth);
        self.bytes += ITEM_BYTES + value.as_str().map_or(0, str::len);
        if self.bytes > WORK_BYTES_MAX {
            return Ok(());
        }
        let map = match value.kind() {
            ValueKind::Map => true,
            ValueKind::Seq | ValueKind::Iterable => false,
            _ => return Ok(()),
        };
        for item in value.try_iter()? {
            if map {
                self.add(&value.get_item(&item)?, depth + 1)?;
            }
            self.add(&item, depth + 1)?;
            if self.bytes > WORK_BYTES_MAX {
                break;
            }
        }
        Ok(())
    }
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
