//! In a sink.

use super::Expected;

pub(crate) const MISTAKES: &[Expected] = &[
    (
        "[sinks.nosuchreceiver.ops]\nurl = 'https://example.com'\n",
        (1, 8),
        &[
            "unknown kind of sink `nosuchreceiver`",
            "`campanile sinks list` lists them",
        ],
    ),
    (
        "[store]\nurl = \"sqlite:no/such/folder/a.db\"\n[sinks.sqlite.a]\npath = \"no/such/folder/a.db\"\n",
        (4, 8),
        &[
            "`path` of `sqlite/a` is the file of `[store]`",
            "another file",
        ],
    ),
    (
        "[sinks.file.a]\npath = \"./campanile.db\"\n",
        (2, 8),
        &["is the file of `[store]`"],
    ),
    (
        "[sinks.mysql.a]\nhost = \"h\"\ndatabase = \"d\"\nuser = \"u\"\nstatement = \"SELECT 1\"\ntable = \"t\"\n",
        (5, 1),
        &["both `statement` and `table` are set"],
    ),
    (
        "[sinks.webhok.a]\n",
        (1, 8),
        &["unknown kind of sink `webhok`", "did you mean `webhook`"],
    ),
    ("[sinks.webhook.a]\n", (1, 16), &["has no `url`"]),
    (
        "[sinks.webhook.a]\nurl = \"oncall.example.com\"\n",
        (2, 7),
        &["not a URL", "https://"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"ftp://oncall.example.com\"\n",
        (2, 7),
        &["neither http"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nmethod = \"GET\"\n",
        (3, 10),
        &["`GET`", "`POST`"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nsigning_secret = \"whsec_c2hvcnQ=\"\n",
        (3, 18),
        &["5 bytes", "24 to 64"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nsigning_secret = \"plain-secret\"\n",
        (3, 18),
        &["whsec_"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nheaders = { \"a b\" = \"x\" }\n",
        (3, 21),
        &["not a valid header name"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nheaders = { A = \"{{ x\" }\n",
        (3, 17),
        &["header `A` cannot be compiled"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nbody = \"{{ title\"\n",
        (3, 12),
        &["`body` cannot be compiled"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nbody = \"\"\"\nline\n  {% if %}\n\"\"\"\n",
        (5, 9),
        &["`body` cannot be compiled"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nsuccess = \"body.x ==\"\n",
        (3, 19),
        &["`success` cannot be compiled"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nbody = \"x\"\nformat = \"alert\"\n",
        (3, 1),
        &["both `body` and `format`"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nper_second = 0\n",
        (3, 14),
        &["`per_second` is 0"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nper_minute = 0\n",
        (3, 14),
        &["`per_minute` is 0"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nper_day = 0\n",
        (3, 11),
        &["`per_day` is 0"],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nper_minute = 20\nparts = 2\n",
        (4, 9),
        &[
            "`parts` of `webhook/a` does not go with its `per_minute`",
            "no `parts`",
        ],
    ),
    (
        "[sinks.webhook.a]\nurl = \"http://h\"\nparts = 65\n",
        (3, 9),
        &["`parts` is 65"],
    ),
    (
        "[sinks.stdout.a]\nretry_schedule = []\n",
        (2, 18),
        &["empty"],
    ),
    (
        "[sinks.stdout.a]\nretry_schedule = [\"1s\", \"soon\"]\n",
        (2, 25),
        &["not a duration"],
    ),
    (
        "[sinks.stdout.a]\noverflow = \"drop\"\n",
        (2, 12),
        &["`wait` or `digest`"],
    ),
    (
        "[sinks.stdout.a]\n[sinks.stdout.a]\n",
        (2, 15),
        &["duplicate key"],
    ),
];
