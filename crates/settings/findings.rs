//! Holds what was read against the settings, and collects every mistake.

use std::ops::Range;
use std::path::Path;

use campanile_language as language;

use super::Environment;
use super::mistake::{Line, Location, Mistake, Mistakes, one_of};
use super::node::{Node, Place, Written};
use super::read::Problem;
use super::secret::stray_key;
use super::setting::Setting;
use super::text::Texts;
use super::types::Type;
use super::values::{Value, Values};

/// What was found wrong, and the texts in which it is shown.
pub struct Findings {
    pub(super) texts: Texts,
    mistakes: Vec<Mistake>,
    other_names: &'static [(&'static str, &'static str)],
    /// A file could not be read whole: what seems to be missing may be in it.
    pub incomplete: bool,
}

impl Findings {
    pub(super) fn new(other_names: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            texts: Texts::default(),
            mistakes: Vec::new(),
            other_names,
            incomplete: false,
        }
    }

    /// How many mistakes there are so far.
    pub fn count(&self) -> usize {
        self.mistakes.len()
    }

    /// What was built, or every mistake.
    pub fn verdict<T>(self, built: Option<T>) -> Result<T, Mistakes> {
        match built {
            Some(built) if self.mistakes.is_empty() => Ok(built),
            _ => Err(Mistakes::new(self.mistakes)),
        }
    }

    /// Adds a mistake at a value, or at its key.
    pub fn add(
        &mut self,
        place: &Place,
        of_key: bool,
        message: impl Into<String>,
        expected: impl Into<String>,
        nearest: Option<String>,
    ) {
        let location = self.texts.location(place, of_key);
        self.push(location, message.into(), expected.into(), nearest);
    }

    /// Adds a mistake at a value.
    pub fn wrong(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) {
        self.add(place, false, message, expected, None);
    }

    /// Adds a mistake at a part of a file.
    pub(super) fn at(
        &mut self,
        file: usize,
        span: Range<usize>,
        message: impl Into<String>,
        expected: impl Into<String>,
        nearest: Option<String>,
    ) {
        let location = self.texts.line(file, span);
        self.push(location, message.into(), expected.into(), nearest);
    }

    fn push(
        &mut self,
        location: Location,
        message: String,
        expected: String,
        nearest: Option<String>,
    ) {
        self.mistakes.push(Mistake {
            message,
            location,
            expected,
            nearest,
        });
    }

    pub(super) fn unreadable(&mut self, path: &Path, message: &str) {
        self.incomplete = true;
        let location = Location::Path {
            file: path.display().to_string(),
        };
        let expected = "a TOML file, or a folder of them, that this user may read";
        self.push(location, message.to_owned(), expected.to_owned(), None);
    }

    pub(super) fn syntax(&mut self, file: usize, error: &toml::de::Error) {
        self.incomplete = true;
        let said = error.message();
        let (what, expected) = said.split_once(", expected ").unwrap_or((said, "nothing"));
        let expected = match expected {
            "nothing" => "valid TOML: quote strings, define each key once",
            expected => expected,
        };
        let span = error.span().unwrap_or(0..0);
        self.at(
            file,
            span,
            format!("this is not valid TOML: {what}"),
            expected,
            None,
        );
    }

    /// A key as it may be shown: whole, or shortened to `stray`. Then its line does not show it either.
    pub fn without_secret(&mut self, place: &Place, key: &str, stray: Option<String>) -> String {
        let Some(stray) = stray else {
            return key.to_owned();
        };
        if let Place::File { file, key, .. } = place {
            self.texts.conceal(*file, key.clone());
        }
        stray
    }

    /// Whether every key of a table is one of these words. `command` lists them, if they can be many.
    pub fn words(&mut self, table: &Node, words: &[&str], what: &str, command: Option<&str>) {
        for (key, node) in table.entries() {
            if words.contains(&key.as_str()) {
                continue;
            }
            let mut other_names = self.other_names.iter();
            let other = other_names.find(|(other, name)| other == key && words.contains(name));
            let near = other
                .map(|(_, name)| (*name).to_owned())
                .or_else(|| language::nearest(key, words.iter().copied()).map(str::to_owned));
            let stray = stray_key(key).filter(|_| near.is_none());
            let shown = self.without_secret(&node.place, key, stray);
            let listed = command.map(|command| format!("; `{command}` lists them"));
            let listed = listed.filter(|_| near.is_none()).unwrap_or_default();
            let expected = format!("{}{listed}", one_of(words.iter().copied()));
            let message = format!("unknown {what} `{shown}`");
            self.add(&node.place, true, message, expected, near);
        }
    }

    /// Says that a table is expected here.
    pub fn not_a_table(&mut self, node: &Node, name: &str) {
        let message = format!("`{name}` is not a table");
        self.add(
            &node.place,
            true,
            message,
            format!("a table, `[{name}]`"),
            None,
        );
    }

    /// The values of a table: known keys, right values, nothing missing. None if a value is wrong or missing.
    pub fn table(
        &mut self,
        table: Option<&Node>,
        name: &str,
        settings: &[Setting],
        environment: &Environment,
    ) -> Option<Values> {
        self.section(table, name, settings, &[], environment)
    }

    /// The same for a table that also has the tables `inner`, which are read apart.
    pub fn section(
        &mut self,
        table: Option<&Node>,
        name: &str,
        settings: &[Setting],
        inner: &[&str],
        environment: &Environment,
    ) -> Option<Values> {
        if let Some(table) = table {
            if !table.is_table() {
                self.not_a_table(table, name);
                return None;
            }
            let words = settings.iter().map(|setting| &*setting.name);
            let words: Vec<_> = words.chain(inner.iter().copied()).collect();
            self.words(table, &words, "setting", None);
        }
        let mut values = Values::defaults(settings);
        let mut sound = true;
        for setting in settings {
            match table.and_then(|table| table.get(&setting.name)) {
                Some(node) => match self.value(setting, node, environment) {
                    Some(value) => values.set(&setting.name, value),
                    None => sound = false,
                },
                None if setting.required => {
                    sound = false;
                    self.missing(table, name, setting);
                }
                None => {}
            }
        }
        sound.then_some(values)
    }

    fn missing(&mut self, table: Option<&Node>, name: &str, setting: &Setting) {
        if self.incomplete {
            return;
        }
        let place = table.map_or(Place::Default, |table| table.place.clone());
        let message = format!("`{name}` has no `{}`", setting.name);
        let expected = format!("`{} = {}`", setting.name, setting.example);
        self.add(&place, true, message, expected, None);
    }

    fn value(
        &mut self,
        setting: &Setting,
        node: &Node,
        environment: &Environment,
    ) -> Option<Value> {
        match setting.takes.read(node, environment) {
            Ok(value) => self.compiles(setting, node, &value).then_some(value),
            Err(problem) => {
                self.problem(setting, node, problem);
                None
            }
        }
    }

    fn problem(&mut self, setting: &Setting, node: &Node, problem: Problem) {
        let fields = matches!(
            setting.takes,
            Type::Matches | Type::Patterns | Type::Formulas
        );
        for (key, item) in node.entries() {
            let stray = stray_key(key).filter(|_| !(fields && super::fields::is_shown(key)));
            self.without_secret(&item.place, key, stray);
        }
        let place = problem.place.unwrap_or_else(|| node.place.clone());
        let message = format!("`{}` {}", setting.name, problem.what);
        let expected = problem.expected;
        let expected = expected.unwrap_or_else(|| setting.takes.expected());
        self.add(&place, false, message, expected, problem.nearest);
    }

    /// Whether the Jinja in a value compiles.
    fn compiles(&mut self, setting: &Setting, node: &Node, value: &Value) -> bool {
        let (text, checked) = match (&setting.takes, value) {
            (Type::Condition, Value::Text(text)) => {
                (text, language::Condition::compile(text).map(drop))
            }
            (Type::Success, Value::Text(text)) => {
                (text, language::Success::compile(text).map(drop))
            }
            (Type::Template, Value::Text(text)) => {
                (text, language::Template::compile(text).map(drop))
            }
            (Type::Headers, Value::Headers(headers)) => return self.headers(node, headers),
            _ => return true,
        };
        let Err(mistake) = checked else {
            return true;
        };
        self.not_compiled(node, text, &setting.name, &mistake, &setting.takes);
        false
    }

    /// Adds a mistake in the Jinja `text` of a value.
    pub fn not_compiled(
        &mut self,
        node: &Node,
        text: &str,
        name: &str,
        mistake: &language::Mistake,
        takes: &Type,
    ) {
        let (line, column) = (mistake.line, mistake.column);
        let place = self.texts.within(&node.place, text, line, column);
        let message = format!("`{name}` cannot be compiled: {}", mistake.message);
        self.wrong(&place, message, takes.expected());
    }

    /// Adds a mistake in a file that is not TOML, with the line as it is written there.
    pub fn in_line(
        &mut self,
        (path, number, column): (&Path, usize, usize),
        source: &str,
        message: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let line = Line::alone(&path.display().to_string(), number, source, column);
        let (message, expected) = (message.into(), expected.into());
        self.push(Location::Line(line), message, expected, None);
    }

    /// The text of a header may be a secret, and so may be a part of its mistake: only its name is shown.
    fn headers(&mut self, node: &Node, headers: &[(String, campanile_model::Secret)]) -> bool {
        use secrecy::ExposeSecret;
        let mut sound = true;
        for (name, value) in headers {
            if language::Template::compile(value.expose_secret()).is_err() {
                let place = node.get(name).map_or(&node.place, |item| &item.place);
                let message = format!("the header `{name}` cannot be compiled");
                self.wrong(&place.clone(), message, "a Jinja template");
                sound = false;
            }
        }
        sound
    }

    /// Adds a mistake inside of a list that was read already, such as an unknown sink.
    pub fn item(
        &mut self,
        list: &Node,
        item: &str,
        message: impl Into<String>,
        expected: impl Into<String>,
        nearest: Option<String>,
    ) {
        let items = list.items().unwrap_or_default();
        let is = |node: &&Node| matches!(&node.value, Written::Text(text) if text == item);
        let place = items
            .iter()
            .find(is)
            .map_or(&list.place, |node| &node.place);
        self.add(place, false, message, expected, nearest);
    }
}
