//! `[sign]` with a `scheme`: the whole request is signed as a cloud demands.

use campanile_language::{Facts, Template};
use campanile_model::Secret;
use serde_json::{Map, Value};

use super::form::{Text, Wrong};
use super::request::{template, text};
use super::sign::Sign;
use crate::http::client::Request;
use crate::http::sign::{Credentials, Scheme, Scope};
use crate::{Failure, Feature};

/// A scheme with its templates.
#[derive(Debug)]
pub(super) struct Signer {
    scheme: Scheme,
    id: Template,
    key: Template,
    token: Option<Template>,
    service: Option<Template>,
    region: Option<Template>,
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
        let scoped = |name: &str, text: &Option<Text>, wanted: bool| match (wanted, text) {
            (true, text) => needed(name, text).map(Some),
            (false, None) => Ok(None),
            (false, Some(text)) => {
                let problem = "this scheme does not use it: leave it out";
                Err(Wrong::whole(&format!("sign.{name}"), text, problem))
            }
        };
        Ok(Self {
            scheme,
            id: needed("id", &sign.id)?,
            key: needed("key", &sign.key)?,
            token: maybe("token", &sign.token)?,
            service: scoped("service", &sign.service, scheme.has_service())?,
            region: scoped("region", &sign.region, scheme.has_region())?,
        })
    }

    pub(super) fn sign(&self, request: &mut Request, facts: &Facts) -> Result<(), Failure> {
        let rendered = |name: &str, template: Option<&Template>| match template {
            Some(template) => text(&format!("sign.{name}"), template, facts),
            None => Ok(String::new()),
        };
        let token = rendered("token", self.token.as_ref())?;
        let credentials = Credentials {
            id: rendered("id", Some(&self.id))?.into(),
            key: rendered("key", Some(&self.key))?.into(),
            token: (!token.is_empty()).then(|| Secret::from(token)),
        };
        let scope = Scope {
            service: &rendered("service", self.service.as_ref())?,
            region: &rendered("region", self.region.as_ref())?,
        };
        self.scheme.sign(request, &credentials, scope)
    }
}
