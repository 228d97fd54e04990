//! In the sections of the gateway itself, and in none.

use super::Expected;

pub(crate) const MISTAKES: &[Expected] = &[
    (
        "[sever]\n",
        (1, 2),
        &["unknown section `sever`", "did you mean `server`"],
    ),
    (
        "[server]\nlistn = 1\n",
        (2, 1),
        &["unknown setting `listn`", "did you mean `listen`"],
    ),
    (
        "[server]\nlisten = 8080\n",
        (2, 10),
        &["`listen` is a number", "127.0.0.1:8080"],
    ),
    (
        "[server]\nlisten = \"localhost:9\"\n",
        (2, 10),
        &["did you mean `127.0.0.1:9`"],
    ),
    (
        "[server]\nbody_bytes_max = 1.5\n",
        (2, 18),
        &["fraction", "whole number"],
    ),
    (
        "[server]\nworkers = 0\n",
        (2, 11),
        &["`workers` is 0", "from 1 to 1024"],
    ),
    (
        "[server]\ntrusted_proxies = [\"10.0.0.0/8\", \"10.0.0/8\"]\n",
        (2, 34),
        &["`10.0.0/8`", "address range"],
    ),
    (
        "[server]\nclient_certificate_header = \"x cert\"\n",
        (2, 29),
        &["not a valid header name", "x-client-cert-cn"],
    ),
    (
        "[server]\nhead_timeout = 5\n",
        (2, 16),
        &["is a number", "\"15s\""],
    ),
    (
        "[server]\nhead_timeout = \"5 parsecs\"\n",
        (2, 16),
        &["not a duration"],
    ),
    ("[server]\nhead_timeout = \"-5s\"\n", (2, 16), &["negative"]),
    (
        "[server]\nhead_timeout = \"2h\"\n",
        (2, 16),
        &["too long", "5m"],
    ),
    (
        "server = 1\n",
        (1, 1),
        &["`server` is not a table", "[server]"],
    ),
    (
        "[admin]\nlisten = \"0.0.0.0:8081\"\n",
        (2, 10),
        &["no `token`", "loopback"],
    ),
    (
        "[admin.tokens.shift]\nrole = \"viewer\"\n",
        (1, 15),
        &["`admin.tokens.shift` has no `secret`"],
    ),
    (
        "[admin.tokens.shift]\nsecret = \"a-secret-of-the-shift\"\nrole = \"viewr\"\n",
        (3, 8),
        &["`viewr`", "did you mean `viewer`"],
    ),
    (
        "[admin.tokens.shift]\nsecret = \"secret\"\n",
        (2, 10),
        &["commonly guessed"],
    ),
    (
        "[admin.tokens.\"night shift\"]\nsecret = \"a-secret-of-the-shift\"\n",
        (1, 15),
        &["`night shift` is not a valid name"],
    ),
    (
        "[admin]\ntokens = \"a-secret-of-the-shift\"\n",
        (2, 1),
        &["`admin.tokens.NAME` is not a table"],
    ),
    (
        "[admin.tokens.a]\nsecret = \"one-secret-of-two\"\n[admin.tokens.b]\nsecret = \"one-secret-of-two\"\n",
        (4, 10),
        &["`b` and `a` have the same secret"],
    ),
    (
        "[admin]\ntoken = \"one-secret-of-two\"\n[admin.tokens.b]\nsecret = \"one-secret-of-two\"\n",
        (4, 10),
        &["`b` and `token` have the same secret"],
    ),
    (
        "[admin.proxy]\nuser_header = \"x-user\"\n",
        (1, 8),
        &["`admin.proxy` has no `from`"],
    ),
    (
        "[admin.proxy]\nuser_header = \"x-user\"\nfrom = []\n",
        (3, 8),
        &["`from` has no address"],
    ),
    (
        "[admin.proxy]\nuser_header = \"x-user\"\nfrom = [\"10.0.0.5/32\", \"0.0.0.0/0\"]\n",
        (3, 24),
        &["`0.0.0.0/0`", "every address"],
    ),
    (
        "[admin.proxy]\nuser_header = \"x-user\"\nfrom = [\"::/0\"]\n",
        (3, 9),
        &["`::/0`", "every address"],
    ),
    (
        "[admin.proxy]\nuser_header = \"x-user\"\nfrom = [\"10.0.0.5/32\"]\nroles = { sre = \"root\" }\n",
        (4, 17),
        &["the role of `sre` is not a role", "`operator`"],
    ),
    (
        "[telemetry.otlp]\nsample_percent = 10\n",
        (1, 12),
        &["`telemetry.otlp` has no `endpoint`"],
    ),
    (
        "[telemetry.otlp]\nendpoint = \"http://169.254.169.254/\"\n",
        (2, 12),
        &["`endpoint` cannot be used", "metadata service"],
    ),
    (
        "[telemetry.otlp]\nendpoint = \"http://127.0.0.1:4318\"\nheaders = { A = \"1\", Host = \"x\" }\n",
        (3, 29),
        &["`headers.Host` cannot be used", "set by Campanile"],
    ),
    (
        "[telemetry.otlp]\nendpoint = \"http://127.0.0.1:4318\"\nheaders = { A = \"\\n\" }\n",
        (3, 17),
        &["`headers.A` cannot be used"],
    ),
    (
        "[admin.token]\nsecret = \"a-secret-of-the-shift\"\n",
        (2, 10),
        &["`token` has an unknown word"],
    ),
    (
        "[admin.toknes.a]\nsecret = \"a-secret-of-the-shift\"\n",
        (1, 8),
        &["unknown setting `toknes`", "did you mean `tokens`"],
    ),
    (
        "[admin]\nlisten = \"127.0.0.1:8080\"\n",
        (2, 10),
        &["same address"],
    ),
    (
        "[store]\nurl = \"postgres:///d\"\n",
        (2, 7),
        &["names no server"],
    ),
    (
        "[store]\nurl = \"sqlite::memory:\"\n",
        (2, 7),
        &["not the path of a file"],
    ),
    ("[store]\nurl = \"campanile.db\"\n", (2, 7), &["sqlite:"]),
    ("[store]\nretention_days = 0\n", (2, 18), &["is 0"]),
    (
        "[store]\nurl = \"postgres://h/d\"\ncopies = 3\n",
        (3, 10),
        &["`1`, `2` or `storage`"],
    ),
    (
        "[store]\ncopies = 2\n",
        (2, 10),
        &["`copies` is for PostgreSQL", "`1`, no `copies`"],
    ),
    (
        "[store]\ncopies = \"storage\"\n",
        (2, 10),
        &["`copies` is for PostgreSQL"],
    ),
    (
        "[log]\nformat = \"jsn\"\n",
        (2, 10),
        &["`jsn`", "did you mean `json`"],
    ),
    (
        "[log]\nlevel = \"inof\"\n",
        (2, 9),
        &["did you mean `info`"],
    ),
    (
        "[server]\nlisten = 127.0.0.1:8080\n",
        (2, 15),
        &["not valid TOML"],
    ),
];
