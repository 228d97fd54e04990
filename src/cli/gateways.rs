//! Named gateways: `cli.toml` in the folder for settings of the user, with an address and a token for each name.

use std::path::{Path, PathBuf};

use campanile_language::nearest;
use campanile_model::Secret;
use campanile_settings::{Layers, Node, Setting, Shape, Type, Values, optional, required};
use url::Url;

use super::failure::Failure;
use super::setup::{environment, of_file};
use crate::config::Environment;

/// The only section of the file.
const SECTION: &str = "gateways";

const GATEWAY: &[Setting] = &[
    required(
        "url",
        Type::PublicUrl,
        r#""https://campanile.example.com""#,
        "The admin address of the gateway.",
    ),
    optional(
        "token",
        Type::Secret,
        r#"{ env = "CAMPANILE_PROD_TOKEN" }"#,
        "The token of the admin listener.",
    ),
];

const SHAPE: Shape<'static> = Shape {
    documents: &[],
    named: &[],
    is_public: &|path| path.last() == Some(&"url"),
    is_known: &|name| GATEWAY.iter().any(|setting| setting.name == name),
    other_names: &[],
};

/// One gateway of the file.
pub(crate) struct Named {
    pub(crate) url: Url,
    pub(crate) token: Option<Secret>,
}

impl Named {
    /// The gateway with this name.
    pub(crate) fn of(name: &str) -> Result<Self, Failure> {
        let environment = environment();
        let path = path(&environment)?;
        let wrong = |mistakes| of_file(&path.display().to_string(), &mistakes);
        let mut layers = read(&path)?;
        let table = layers
            .tree
            .get(SECTION)
            .and_then(|all| all.get(name))
            .cloned();
        let Some(table) = table else {
            layers.findings.verdict(Some(())).map_err(wrong)?;
            return Err(unknown(name, &names(&layers.tree), &path));
        };
        let place = format!("{SECTION}.{name}");
        let values = layers
            .findings
            .table(Some(&table), &place, GATEWAY, &environment);
        let built = values.as_ref().and_then(Self::build);
        layers.findings.verdict(built).map_err(wrong)
    }

    fn build(values: &Values) -> Option<Self> {
        Some(Self {
            url: values.maybe("url")?,
            token: values.maybe("token"),
        })
    }
}

/// The names in the file. None if there is no file, or if it cannot be read.
pub(crate) fn known() -> Vec<String> {
    let layers = path(&environment()).and_then(|path| read(&path));
    layers.map(|layers| names(&layers.tree)).unwrap_or_default()
}

fn names(tree: &Node) -> Vec<String> {
    let all = tree.get(SECTION).map(Node::entries).unwrap_or_default();
    all.iter().map(|(name, _)| name.clone()).collect()
}

fn read(path: &Path) -> Result<Layers, Failure> {
    if !path.exists() {
        return Err(
            Failure::usage(format!("there is no file {}", path.display()))
                .hint("write it with `[gateways.NAME]`, `url` and `token`; see docs/operations.md or /help/operations#watch-it of a gateway"),
        );
    }
    // The variables of the gateway's own settings are not settings of this file.
    let mut layers = Layers::read(&[path.to_owned()], &Environment::new(), &SHAPE);
    layers
        .findings
        .words(&layers.tree, &[SECTION], "section", None);
    Ok(layers)
}

/// `$XDG_CONFIG_HOME/campanile/cli.toml`, or the same under `~/.config`.
fn path(environment: &Environment) -> Result<PathBuf, Failure> {
    let given = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let folder = given("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = folder.or_else(|| given("HOME").map(|home| Path::new(home).join(".config")));
    let folder = folder.ok_or_else(|| {
        Failure::usage("a named gateway needs the variable HOME or XDG_CONFIG_HOME")
    })?;
    Ok(folder.join("campanile").join("cli.toml"))
}

fn unknown(name: &str, names: &[String], path: &Path) -> Failure {
    let what = format!("`{name}` is not a gateway of {}", path.display());
    let known = names.iter().map(String::as_str);
    Failure::usage(what).hint(match (nearest(name, known), names) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "the file has no `[gateways.NAME]`".to_owned(),
        (None, names) => format!("the gateways are {}", names.join(", ")),
    })
}
