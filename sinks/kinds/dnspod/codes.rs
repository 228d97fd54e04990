//! What the error codes of both APIs lead to.

use std::time::Duration;

use crate::{Class, Failure};

/// At most so much of the vendor's own words is shown.
const WORDS_CHARACTERS_MAX: usize = 200;
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// A request that the vendor refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) failure: Failure,
    pub(super) effect: Effect,
}

/// What a failed request has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Nothing,
    /// The vendor's words leave it open; the list shows it.
    Unclear,
    /// There was no answer of the API. The next attempt reads the list.
    Unknown,
}

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The records must be read to know.
    Unclear,
    /// After so many seconds.
    Later(u64),
    /// An operator must act.
    Operator,
    /// The request is wrong.
    Never,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            effect: Effect::Unknown,
        }
    }
}

impl Meaning {
    /// `what` was refused with this code and these words of the vendor.
    pub(super) fn refusal(self, what: &str, code: &str, words: &str, hint: &str) -> Refusal {
        let words = words.chars().take(WORDS_CHARACTERS_MAX);
        let words: String = words
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let reason = format!("DNSPod refused {what}{hint}. It said: {code}: {words}");
        let (class, wait) = match self {
            Self::Unclear => (Class::Transient, None),
            Self::Later(seconds) => (Class::Transient, Some(Duration::from_secs(seconds))),
            Self::Operator => (Class::Operator, None),
            Self::Never => (Class::Poison, None),
        };
        Refusal {
            failure: Failure {
                class,
                code: Some(200),
                retry_after: wait,
                reason,
            },
            effect: if self == Self::Unclear {
                Effect::Unclear
            } else {
                Effect::Nothing
            },
        }
    }
}

/// Codes of API 3.0 by their beginning. The longest that fits decides.
const CLOUD: &[(&str, Meaning)] = &[
    ("AuthFailure", Meaning::Operator),
    ("FailedOperation", Meaning::Operator),
    ("FailedOperation.FrequencyLimit", Meaning::Later(MINUTE)),
    ("FailedOperation.MustAddDefaultLineFirst", Meaning::Never),
    ("FailedOperation.TemporaryError", Meaning::Unclear),
    ("FailedOperation.UnknowError", Meaning::Unclear),
    ("InternalError", Meaning::Unclear),
    ("InvalidParameter", Meaning::Never),
    ("InvalidParameter.AccountIsBanned", Meaning::Operator),
    ("InvalidParameter.ActionSuccess", Meaning::Unclear),
    ("InvalidParameter.BatchLimitUndo", Meaning::Later(MINUTE)),
    ("InvalidParameter.Common", Meaning::Later(MINUTE)),
    (
        "InvalidParameter.DomainInEffectOrInvalidated",
        Meaning::Later(MINUTE),
    ),
    (
        "InvalidParameter.DomainNotAllowedModifyRecords",
        Meaning::Later(MINUTE),
    ),
    (
        "InvalidParameter.DomainTaskNotFinished",
        Meaning::Later(MINUTE),
    ),
    ("InvalidParameter.InvalidSecretId", Meaning::Operator),
    ("InvalidParameter.InvalidSignature", Meaning::Operator),
    ("InvalidParameter.LoginToken", Meaning::Operator),
    ("InvalidParameter.OperateFailed", Meaning::Unclear),
    (
        "InvalidParameter.OperationIsTooFrequent",
        Meaning::Later(MINUTE),
    ),
    ("InvalidParameter.PermissionDenied", Meaning::Operator),
    ("InvalidParameter.RecordIdInvalid", Meaning::Unclear),
    ("InvalidParameter.RequestIpLimited", Meaning::Operator),
    ("InvalidParameter.TaskNotCompleted", Meaning::Later(MINUTE)),
    ("InvalidParameter.TimestampExpired", Meaning::Operator),
    ("LimitExceeded", Meaning::Operator),
    ("OperationDenied", Meaning::Operator),
    ("RequestLimitExceeded", Meaning::Later(MINUTE)),
    ("ResourceInUse", Meaning::Later(MINUTE)),
    ("ResourceInsufficient", Meaning::Later(MINUTE)),
    ("ResourceNotFound", Meaning::Operator),
    ("ResourceNotFound.NoDataOfRecord", Meaning::Unclear),
    ("ResourceUnavailable", Meaning::Later(MINUTE)),
    ("ServiceUnavailable", Meaning::Unclear),
    ("UnauthorizedOperation", Meaning::Operator),
    ("UnsupportedOperation", Meaning::Never),
    ("UnsupportedProtocol", Meaning::Never),
    ("UnsupportedRegion", Meaning::Never),
    ("MissingParameter", Meaning::Never),
    ("UnknownParameter", Meaning::Never),
    ("NoSuchVersion", Meaning::Never),
    ("InvalidAction", Meaning::Never),
    ("ActionOffline", Meaning::Never),
];

/// What a code of API 3.0 means. An operator looks at those that are not known.
pub(super) fn cloud(code: &str) -> Meaning {
    let fitting = CLOUD.iter().filter(|(start, _)| code.starts_with(start));
    let longest = fitting.max_by_key(|(start, _)| start.len());
    longest.map_or(Meaning::Operator, |(_, meaning)| *meaning)
}

/// What a code of the older API means.
pub(super) fn legacy(code: &str) -> Meaning {
    match code {
        // Refused credentials (-1), no right (-7, -15, 7, 21, 50, 52, 83, 85), no records (10), too many records (25, 500025,
        // 500026).
        "-2" | "-8" => Meaning::Later(HOUR),
        "-99" => Meaning::Later(5 * MINUTE),
        "6" | "8" | "3" => Meaning::Unclear,
        "2" => Meaning::Never,
        _ => Meaning::Operator,
    }
}

/// What an operator can do about it, as the end of a sentence.
pub(super) fn hint(code: &str) -> &'static str {
    match code {
        "AuthFailure.SignatureExpire" | "InvalidParameter.TimestampExpired" => {
            ": the clock of this machine is wrong"
        }
        "UnauthorizedOperation" | "AuthFailure.UnauthorizedOperation" => {
            ": allow `dnspod:DescribeRecordList` and `dnspod:ModifyRecordStatus` in the policy of the sub-user"
        }
        "LimitExceeded.SubdomainRollLimit"
        | "LimitExceeded.AAAACountLimit"
        | "25"
        | "500025"
        | "500026" => {
            ": the plan's number of records per line is used up, and the server stays out of DNS; remove a record or switch it on by hand"
        }
        "InvalidParameter.DomainInvalid" | "InvalidParameter.DomainIdInvalid" => {
            ": `domain` is the registered zone, such as `example.com`, not the host"
        }
        "-1" => {
            ": it rejects `login_token`; correct it soon, because DNSPod blocks the account after 30 failures"
        }
        "-2" => ": the account's API is blocked for about an hour",
        code if code.starts_with("AuthFailure") => {
            ": it rejects the credentials; check `secret_id` and `secret_key`"
        }
        _ => "",
    }
}
