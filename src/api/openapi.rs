//! `/api/v1/openapi.json`: the OpenAPI description, generated from the handlers and their types.

use actix_web::http::Method;
use actix_web::{HttpResponse, web};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Object, PathItem, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::query::LIMIT_MAX;
use super::{
    alerts, audit, callbacks, checks, dead, deliveries, jobs, origin, problems, quarantine,
    renormalize, resource, roles, running, silences, simulate, sinks, sources, stream, tallies,
    trial, types, vendors,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Campanile", description = "The API for operators."),
    paths(
        alerts::index,
        alerts::show,
        alerts::retry,
        audit::index,
        origin::show,
        callbacks::index,
        problems::index,
        problems::show,
        deliveries::index,
        deliveries::retry,
        deliveries::remove,
        deliveries::remove_many,
        dead::index,
        dead::show,
        dead::retry,
        dead::remove,
        quarantine::index,
        quarantine::show,
        quarantine::retry,
        quarantine::remove,
        jobs::index,
        jobs::show,
        jobs::stop,
        renormalize::compare,
        sinks::index,
        sinks::pause,
        sinks::resume,
        checks::test,
        running::show,
        vendors::index,
        vendors::show,
        sources::key,
        sources::index,
        sources::show,
        silences::index,
        silences::add,
        silences::preview,
        silences::show,
        silences::extend,
        silences::end,
        simulate::simulate,
        stream::follow,
        tallies::index,
        trial::show,
        show,
    ),
    components(schemas(types::Refused)),
    modifiers(&Common)
)]
struct Description;

/// The paths of what is stored: its responses have an `ETag`.
const STORED: &[&str] = &[
    "/api/v1/alerts",
    "/api/v1/alerts/{id}",
    "/api/v1/audit",
    "/api/v1/dead",
    "/api/v1/dead/{id}",
    "/api/v1/deliveries",
    "/api/v1/problems",
    "/api/v1/problems/{fingerprint}",
    "/api/v1/quarantine",
    "/api/v1/quarantine/{id}",
];

/// Adds the token and the error response to all operations.
struct Common;

impl Modify for Common {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        if let Some(components) = &mut api.components {
            let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
            components.add_security_scheme("token", bearer);
        }
        api.security = Some(vec![SecurityRequirement::new(
            "token",
            Vec::<String>::new(),
        )]);
        for (path, item) in &mut api.paths.paths {
            refusals(item);
            role(path, item);
            name(item);
            headers(path, item);
            parameters(item);
        }
    }
}

fn refusals(path: &mut PathItem) {
    let content = Content::new(Some(Ref::from_schema_name("Refused")));
    let refused = ResponseBuilder::new()
        .description("The request was refused or failed.")
        .content("application/problem+json", content)
        .build();
    let operations = [&mut path.get, &mut path.post, &mut path.delete];
    for operation in operations.into_iter().flatten() {
        let responses = &mut operation.responses.responses;
        for range in ["4XX", "5XX"] {
            responses.insert(range.to_owned(), refused.clone().into());
        }
    }
}

/// Adds the 304 of what is stored, and the headers that readers and senders can give.
fn headers(path: &str, item: &mut PathItem) {
    if let Some(get) = item.get.as_mut().filter(|_| STORED.contains(&path)) {
        let same = ResponseBuilder::new().description("It is what `If-None-Match` names.");
        let responses = &mut get.responses.responses;
        responses.insert("304".to_owned(), same.build().into());
        header(get, "If-None-Match", "The `ETag` of an earlier response");
    }
    let acts = roles::acts(&Method::POST, path);
    if let Some(post) = item.post.as_mut().filter(|_| acts) {
        let about =
            "A name for this request, such as a UUID. Sent again with it, it is not done twice";
        header(post, "Idempotency-Key", about);
    }
}

fn header(operation: &mut Operation, name: &str, about: &str) {
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(about))
        .schema(Some(Object::with_type(Type::String)));
    let parameters = operation.parameters.get_or_insert_default();
    parameters.push(parameter.build());
}

/// Says of the parameters that many operations have which values they take.
fn parameters(item: &mut PathItem) {
    let given = item.get.iter_mut().flat_map(|get| &mut get.parameters);
    for parameter in given.flatten() {
        let schema = match parameter.name.as_str() {
            "limit" => ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(1))
                .maximum(Some(LIMIT_MAX)),
            "since" | "until" => ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
            _ => continue,
        };
        parameter.schema = Some(schema.into());
    }
}

/// Adds the role that each operation needs, as `x-role`.
fn role(path: &str, item: &mut PathItem) {
    let operations = [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::DELETE, &mut item.delete),
    ];
    for (method, operation) in operations {
        if let Some(operation) = operation {
            let role = roles::needed(&method, path).as_str();
            let extension = ExtensionsBuilder::new().add("x-role", role).build();
            operation.extensions = Some(extension);
        }
    }
}

/// Makes the name of each operation unique, for generators of clients: `alerts_index`.
fn name(item: &mut PathItem) {
    let operations = [&mut item.get, &mut item.post, &mut item.delete];
    for operation in operations.into_iter().flatten() {
        let of = operation.tags.iter().flatten().next();
        let name = operation.operation_id.as_deref().unwrap_or_default();
        operation.operation_id = of.map(|of| format!("{of}_{name}"));
    }
}

pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.service(resource("/openapi.json").get(show));
}

/// The methods of a path, as the header `Allow` lists them.
pub(super) fn methods(pattern: &str) -> String {
    let described = Description::openapi();
    let Some(path) = described.paths.paths.get(pattern) else {
        return "POST".to_owned();
    };
    let has = [
        ("GET", path.get.is_some()),
        ("POST", path.post.is_some()),
        ("DELETE", path.delete.is_some()),
    ];
    let has = has.iter().filter(|(_, has)| *has).map(|(name, _)| *name);
    has.collect::<Vec<_>>().join(", ")
}

/// All paths.
pub(super) fn paths() -> impl Iterator<Item = String> {
    Description::openapi().paths.paths.into_keys()
}

/// This OpenAPI description.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    responses((status = 200, body = Object, description = "OpenAPI 3.1"))
)]
pub(super) async fn show() -> HttpResponse {
    HttpResponse::Ok().json(Description::openapi())
}
