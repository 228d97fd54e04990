//! `[sign]` with a `scheme`: the whole request is signed as a cloud demands.

use campanile_language::{Facts, Template};
use campanile_model::Secret;
use serde_json::{Map, Value};

use super::form::{Text, Wrong};
use super::kept::Kept;
use super::request::{template, text};
use super::sign::Sign;
use crate::http::client::Request;
use crate::http::sign::{Credentials, Scheme, Scope};
use crate::{BuildError, Failure, Feature};

/// A scheme with its templates.
#[derive(Debug)]
pub(super) struct Signer {
    scheme: Scheme,
    id: Option<Template>,
    key: Template,
    /// Where the operator wrote the key.
    setting: String,
    token: Option<Template>,
    service: Option<Template>,
    region: Option<Template>,
    audience: Option<Template>,
    kept: Kept,
}

impl Signer {
    /// `place` is where the table is in the file.
    pub(super) fn compile(
        scheme: Scheme,
        sign: &Sign,
        place: &Text,
        names: &Map<String, Value>,
    ) -> Result<Self, Wrong> {
        if let Some(Feature {
            name: feature,
            built: false,
        }) = scheme.feature()
        {
            let problem = format!(
                "this build does not have the feature `{feature}`: install a release, or build with `--features {feature}`"
            );
            return Err(Wrong::whole("sign.scheme", place, &problem));
        }
        let maybe = |name: &str, text: &Option<Text>| {
            let text = text.as_ref();
            text.map(|text| template(&format!("sign.{name}"), text, names))
                .transpose()
        };
        let needed = |name: &str, text: &Option<Text>| {
            let problem = format!("this scheme needs `{name}`");
            maybe(name, text)?.ok_or_else(|| Wrong::whole("sign", place, &problem))
        };
        let unused = |name: &str, text: &Option<Text>| match text {
            None => Ok(None),
            Some(text) => {
                let problem = "this scheme does not use it: leave it out";
                Err(Wrong::whole(&format!("sign.{name}"), text, problem))
            }
        };
        let scoped = |name: &str, text: &Option<Text>, wanted: bool| {
            if wanted {
                needed(name, text).map(Some)
            } else {
                unused(name, text)
            }
        };
        Ok(Self {
            scheme,
            id: scoped("id", &sign.id, scheme.has_account())?,
            key: needed("key", &sign.key)?,
            setting: sign.key.as_ref().map_or_else(String::new, setting),
            token: if scheme.has_account() {
                maybe("token", &sign.token)?
            } else {
                unused("token", &sign.token)?
            },
            service: scoped("service", &sign.service, scheme.has_service())?,
            region: scoped("region", &sign.region, scheme.has_region())?,
            audience: scoped("audience", &sign.audience, scheme.has_audience())?,
            kept: Kept::default(),
        })
    }

    /// Refuses a key that cannot sign. The error names its setting.
    pub(super) fn check(&self, facts: &Facts) -> Result<(), BuildError> {
        let wrong = |problem| BuildError::new(&self.setting, problem);
        let key = text("sign.key", &self.key, facts).map_err(|failure| wrong(failure.reason))?;
        self.scheme.check(&key.into()).map_err(wrong)
    }

    pub(super) fn sign(&self, request: &mut Request, facts: &Facts) -> Result<(), Failure> {
        let rendered = |name: &str, template: Option<&Template>| match template {
            Some(template) => text(&format!("sign.{name}"), template, facts),
            None => Ok(String::new()),
        };
        let token = rendered("token", self.token.as_ref())?;
        let credentials = Credentials {
            id: rendered("id", self.id.as_ref())?.into(),
            key: rendered("key", Some(&self.key))?.into(),
            token: (!token.is_empty()).then(|| Secret::from(token)),
        };
        let scope = Scope {
            service: &rendered("service", self.service.as_ref())?,
            region: &rendered("region", self.region.as_ref())?,
            audience: &rendered("audience", self.audience.as_ref())?,
        };
        let Some(lasts) = self.scheme.lasts() else {
            return self.scheme.sign(request, &credentials, scope);
        };
        let sign = |request: &mut Request| self.scheme.sign(request, &credentials, scope);
        let made_of = (&credentials.key, scope.audience);
        self.kept.signed(request, made_of, lasts, sign)
    }
}

/// The setting that `{{ settings.NAME }}` names, or else the part of the recipe.
fn setting(key: &Text) -> String {
    let inside = key.get_ref().trim().strip_prefix("{{");
    let inside = inside.and_then(|rest| rest.strip_suffix("}}"));
    let name = inside.and_then(|rest| rest.trim().strip_prefix("settings."));
    name.unwrap_or("sign.key").to_owned()
}
