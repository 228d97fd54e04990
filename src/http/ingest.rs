//! The way of a callback: head, body, proof, reading, commit, answer. In this order: nothing is read of a message whose
//! sender is not believed, and no success leaves before the commit.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use campanile_model::{Callback, Fetched};
use campanile_providers::{Refusal, expects_chinese};
use tracing::Instrument;

use super::ending::{self, Ending, Reason};
use super::reading::OwedTo;
use super::shared::{Door, Turned, demo_inlets};
use super::target::Target;
use super::{Gateway, Inlet, Plan, body, callback, demo, drift, handshake, reading};
use campanile_model::failpoint;
use campanile_store::{self, Appended, Appending, Entry};

/// A vendor gets its answer within this time. A commit that takes longer may still succeed: the vendor's next try is then
/// a duplicate.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Documents that are fetched for one call: several sources may each ask for one of their own.
const FETCHES_MAX: usize = 4;

/// Everything that comes to the public listener.
pub(super) async fn serve(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> HttpResponse {
    let plan = gateway.plan();
    let visit = Visit {
        gateway: &gateway,
        plan: &plan,
        started: Instant::now(),
    };
    let target = Target::of(request.uri().path(), &plan.own_paths);
    match visit.door(target) {
        Some(door) => visit.enter(door, target, &request, payload).await,
        None => visit.end(
            (None, Ending::Rejected(Reason::NotFound)),
            &Callback::default(),
        ),
    }
}

/// One request on its way.
#[derive(Clone, Copy)]
struct Visit<'v> {
    gateway: &'v Gateway,
    plan: &'v Plan,
    started: Instant,
}

impl<'v> Visit<'v> {
    fn door(self, target: Target<'_>) -> Option<Door<'v>> {
        let demo = || demo_inlets(self.plan).next().map(|_| Door::Demo);
        match target {
            Target::Source { name, behind, .. } => {
                let inlet = self.plan.inlet(name);
                let served = |inlet: &&Inlet| behind.is_none_or(|path| inlet.has_path(path));
                inlet.filter(served).map(Door::One)
            }
            Target::Own { path } => Some(Door::Own(path)),
            Target::Shared { .. } => Some(Door::Any),
            Target::DemoAdd { .. } | Target::DemoGet { .. } => demo(),
            Target::Unknown => None,
        }
    }

    async fn enter(
        self,
        door: Door<'v>,
        target: Target<'_>,
        request: &HttpRequest,
        mut payload: web::Payload,
    ) -> HttpResponse {
        if let Some(turned_away) = self.check_head(door, target, request) {
            return turned_away;
        }
        let announced = callback::announced(request);
        let (max, within) = (self.plan.body_bytes_max, self.plan.body_timeout);
        let read = body::read(&mut payload, announced, max, within).await;
        let (body, unread) = match read {
            Ok(body) => (body, None),
            Err(unread) => (Vec::new(), Some(unread)),
        };
        let mut call = callback::of(request, self.plan, target, body);
        call.received_at = Some(self.gateway.clock.now());
        call.chinese = door
            .only()
            .is_some_and(|inlet| expects_chinese(&*inlet.feed.provider, inlet.source()));
        if let Some(unread) = unread {
            return self.end((door.only(), Ending::Rejected(unread.into())), &call);
        }
        if matches!(target, Target::DemoGet { .. }) {
            let listed = demo::list(self.gateway, self.plan, &call).await;
            return listed.unwrap_or_else(|turned| self.end(turned, &call));
        }
        match self.admit(door, &mut call).await {
            Ok(inlet) => self.welcome(inlet, &call).await,
            Err(turned) => self.end(turned, &call),
        }
    }

    /// The source that believes the sender. What a proof cannot do without is fetched, and all are asked again.
    async fn admit(self, door: Door<'v>, call: &mut Callback) -> Result<&'v Inlet, Turned<'v>> {
        for _ in 0..FETCHES_MAX {
            let admitted = door.admit(self.plan, call);
            let Err((Some(inlet), Ending::Refused(Refusal::Uncertified))) = admitted else {
                return admitted;
            };
            let Some(fetched) = self.fetched(inlet, call).await else {
                return Err((Some(inlet), Ending::Rejected(Reason::Certificate)));
            };
            call.fetched.push(fetched);
        }
        door.admit(self.plan, call)
    }

    /// The certificate or the keys that the proof of `inlet` asks for.
    async fn fetched(self, inlet: &Inlet, call: &Callback) -> Option<Fetched> {
        let proof = inlet.feed.provider.proof(call, inlet.source());
        let needed = proof.needs()?;
        let url = needed.url.clone();
        let body = (self.gateway.certificates)(needed).await?;
        Some(Fetched { url, body })
    }

    /// The answer, where one can be given before the body is read.
    fn check_head(
        self,
        door: Door<'v>,
        target: Target<'_>,
        request: &HttpRequest,
    ) -> Option<HttpResponse> {
        let bodiless = || callback::of(request, self.plan, target, Vec::new());
        let turn = |reason| self.end((door.only(), Ending::Rejected(reason)), &bodiless());
        if let Err(oversize) = callback::check_head(request) {
            return Some(turn(oversize.into()));
        }
        let methods = match target {
            Target::DemoGet { .. } => vec!["GET"],
            _ => door.methods(self.plan),
        };
        if methods.contains(&request.method().as_str()) {
            return None;
        }
        let response = match *request.method() {
            Method::OPTIONS => handshake::answer(door.only(), &bodiless()),
            _ => turn(Reason::Method),
        };
        Some(ending::allow(response, &methods.join(", ")))
    }

    /// A callback of a believed sender.
    async fn welcome(self, inlet: &Inlet, call: &Callback) -> HttpResponse {
        let span = tracing::info_span!("callback", source = &*inlet.name);
        let ending = self.take(inlet, call).instrument(span.clone()).await;
        span.in_scope(|| self.end((Some(inlet), ending), call))
    }

    async fn take(self, inlet: &Inlet, call: &Callback) -> Ending {
        let now = self.gateway.clock.now();
        inlet.meters.seen(now);
        let (entry, effect) = reading::entry(self.gateway, self.plan, inlet, call, now);
        drift::watch(self.gateway, self.plan, inlet, call, now);
        let faulty = !entry.faults.is_empty();
        failpoint::point("after-parse");
        match commit(self.gateway, entry).await {
            Ok((appended, owed)) => {
                if let Some(effect) = effect {
                    (self.gateway.hooks.effect)(effect);
                }
                failpoint::point("before-answer");
                after_answer();
                ended(inlet, &appended, &owed, faulty)
            }
            Err(reason) => Ending::Rejected(reason),
        }
    }

    fn end(self, (inlet, ending): Turned<'_>, call: &Callback) -> HttpResponse {
        ending::end(self.gateway, inlet, call, &ending, self.started)
    }
}

/// What the store made of it, counted alert by alert.
fn ended(inlet: &Inlet, appended: &Appended, owed: &OwedTo, faulty: bool) -> Ending {
    let mut new = Vec::new();
    for (appending, sinks) in appended.alerts.iter().zip(&owed.0) {
        match appending {
            Appending::Accepted { id, .. } => {
                new.push(*id);
                if sinks.is_empty() {
                    inlet.meters.unrouted.increment(1);
                }
            }
            Appending::Duplicate { conflict: true } => inlet.meters.conflicts.add(),
            Appending::Duplicate { conflict: false } => {}
        }
    }
    match (new.is_empty(), faulty, appended.alerts.is_empty()) {
        (true, true, _) => Ending::Quarantined,
        (true, false, false) => Ending::Duplicate,
        _ => Ending::Accepted(new),
    }
}

/// Commits, and wakes those who are owed. Gives up waiting in time, but never on the commit itself.
async fn commit(gateway: &Gateway, entry: Entry) -> Result<(Appended, OwedTo), Reason> {
    let store = Arc::clone(&gateway.store);
    let workers = Arc::clone(&gateway.sinks);
    let owed = OwedTo::of(&entry);
    let append = async move {
        let appended = store.append(entry).await?;
        owed.poke(&*workers, &appended);
        Ok((appended, owed))
    };
    if failpoint::broken("broken-ack-before-commit") {
        tokio::spawn(append);
        return Ok((Appended::default(), OwedTo::default()));
    }
    let mut committing = Committing(Some(Box::pin(append)));
    let done = match committing.0.as_mut() {
        Some(append) => tokio::time::timeout(ANSWER_WITHIN, append).await,
        None => return Err(Reason::Stopped),
    };
    let Ok(done) = done else {
        tracing::warn!(
            within_s = ANSWER_WITHIN.as_secs(),
            "a commit takes too long; the vendor is asked to come again"
        );
        return Err(Reason::Late);
    };
    committing.0 = None;
    done.inspect_err(|e| tracing::debug!(error = %e, "a callback was not committed"))
        .map_err(|e| Reason::from(&e))
}

/// A point as near behind the answer as can be: this thread writes the answer out before it takes up another task.
fn after_answer() {
    #[cfg(feature = "faults")]
    actix_web::rt::spawn(async { failpoint::point("after-answer") });
}

type Append =
    Pin<Box<dyn Future<Output = Result<(Appended, OwedTo), campanile_store::Error>> + Send>>;

/// A commit that goes on when nobody waits for it any more: the vendor hung up, or its time was over. Its deliveries must
/// be seen all the same.
struct Committing(Option<Append>);

impl Drop for Committing {
    fn drop(&mut self) {
        let Some(append) = self.0.take() else {
            return;
        };
        // Without a runtime the process is at its end, and the next start finds what was committed.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(append);
        }
    }
}
