//! Reads the body of a bulk action.

use super::{Act, Of};
use crate::api::error::ApiError;
use crate::api::types::Selection;
use crate::api::{Failing, body};

/// The largest number of `ids` in one request.
const IDS_MAX: usize = 10_000;

/// The selection in a body: exactly one of `ids`, `all` and the group (`sink` or `source`).
pub(super) fn selection(act: Act, bytes: &[u8]) -> Failing<Selection> {
    let (group, form) = match act.of() {
        Of::Dead => ("sink", "`{\"ids\":[1,2]}`, `{\"sink\":\"kind/name\"}`"),
        Of::Deliveries => ("sink", "`{\"sink\":\"kind/name\"}`"),
        Of::Quarantine => ("source", "`{\"ids\":[1,2]}`, `{\"source\":\"kind/name\"}`"),
    };
    let message =
        format!("the selection is not valid: send one of {form} or `{{\"all\":true}}` as JSON");
    let selection: Selection = body::read(bytes, &*message)?;
    let wrong = |pointer| Err(ApiError::bad_request(message).at_pointer(pointer));
    let given = [
        ("ids", selection.ids.is_some()),
        ("all", selection.all),
        ("sink", selection.sink.is_some()),
        ("source", selection.source.is_some()),
    ];
    let given: Vec<&str> = given
        .iter()
        .filter(|(_, is)| *is)
        .map(|(name, _)| *name)
        .collect();
    let [one] = given.as_slice() else {
        return wrong("");
    };
    match *one {
        "ids" if act.of() == Of::Deliveries => return wrong("/ids"),
        "sink" if group != "sink" => return wrong("/sink"),
        "source" if group != "source" => return wrong("/source"),
        _ => (),
    }
    limits(act, &selection)?;
    Ok(selection)
}

fn limits(act: Act, selection: &Selection) -> Failing<()> {
    let ids = selection.ids.as_ref();
    if ids.is_some_and(|ids| ids.len() > IDS_MAX) {
        let message =
            format!("`ids` has more than {IDS_MAX} numbers; send them in several requests");
        return Err(ApiError::bad_request(message).at_pointer("/ids"));
    }
    if selection.leave_out_ended && act != Act::DeadRetry {
        let message = "`leave_out_ended` is only for `dead/retry`; leave it away";
        return Err(ApiError::bad_request(message).at_pointer("/leave_out_ended"));
    }
    Ok(())
}
