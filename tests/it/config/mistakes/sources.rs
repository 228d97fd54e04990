//! In a source.

use super::Expected;

pub(crate) const MISTAKES: &[Expected] = &[
    (
        "[providers.nosuchvendorofall.ops]\nkey = 'a-long-random-key'\n",
        (1, 12),
        &[
            "`nosuchvendorofall`",
            "`campanile providers list` lists them",
        ],
    ),
    (
        "[providers.ucloud.prod]\nclient_certificate = [\"a.example.com\"]\n",
        (2, 1),
        &["no `client_certificate_header`", "trusted_proxies"],
    ),
    (
        "[server]\nclient_certificate_header = \"x-cn\"\n[providers.ucloud.prod]\nclient_certificate = [\"a\"]\n",
        (4, 1),
        &["no `trusted_proxies`"],
    ),
    (
        "[providers.uclod.prod]\n",
        (1, 12),
        &["unknown provider `uclod`", "did you mean `ucloud`"],
    ),
    (
        "[providers.ucloud]\nopen = true\n",
        (2, 1),
        &["[providers.ucloud.prod]"],
    ),
    (
        "[providers.ucloud.Prod]\n",
        (1, 19),
        &["not a valid name", "lower-case"],
    ),
    (
        "[providers.ucloud.prod]\n",
        (1, 19),
        &["does not verify its caller", "open = true"],
    ),
    (
        "[providers.ucloud.prod]\nkey = \"\"\n",
        (2, 7),
        &["empty", "dangerous_weak"],
    ),
    (
        "[providers.ucloud.prod]\nkey = \"short\"\n",
        (2, 7),
        &["too short"],
    ),
    (
        "[providers.ucloud.prod]\nkey = \"ChangeMe\"\n",
        (2, 7),
        &["commonly guessed"],
    ),
    (
        "[providers.ucloud.prod]\nkey = \"PASSWORD\"\n",
        (2, 7),
        &["commonly guessed"],
    ),
    (
        "[providers.ucloud.prod]\nkey = [\"good-secret-1\", \"secret\"]\n",
        (2, 25),
        &["commonly guessed"],
    ),
    ("[providers.ucloud.prod]\nkey = []\n", (2, 7), &["empty"]),
    (
        "[providers.ucloud.prod]\nkey = { evn = \"X\" }\n",
        (2, 15),
        &["unknown word", "did you mean `env`"],
    ),
    (
        "[providers.ucloud.prod]\nkey = { env = \"NOT_SET\" }\n",
        (2, 7),
        &["NOT_SET, which is not set"],
    ),
    (
        "[providers.ucloud.prod]\nkey = { file = \"/does/not/exist\" }\n",
        (2, 7),
        &["/does/not/exist", "cannot be read"],
    ),
    (
        "[providers.ucloud.prod]\nkey = { env = \"A\", file = \"B\" }\n",
        (2, 7),
        &["where the secret is"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\nkey = \"good-secret-1\"\n",
        (1, 19),
        &["is open", "never asked"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\nseverity = \"fatal\"\n",
        (3, 12),
        &["`fatal`", "`critical`"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\nseverities = { P0 = \"critcal\" }\n",
        (3, 21),
        &["did you mean `critical`"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\ntime_zone = \"Asia/Shangai\"\n",
        (3, 13),
        &["did you mean `Asia/Shanghai`"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\nlabels = { a = 1 }\n",
        (3, 16),
        &["is a number"],
    ),
    (
        "[providers.ucloud.prod]\nopen = true\nallow_from = [\"10.0.0.0/33\"]\n",
        (3, 15),
        &["10.0.0.0/33"],
    ),
    (
        "[providers.ucloud.prod]\nopen = \"yes\"\n",
        (2, 8),
        &["is text", "`true` or `false`"],
    ),
    (
        "[providers.jiankong.web]\nkey = \"good-secret-1\"\n",
        (1, 21),
        &["could never accept", "`token`"],
    ),
    (
        "[providers.ucloud.a]\nopen = true\ndemo_paths = true\n[providers.ucloud.b]\nopen = true\ndemo_paths = true\n",
        (6, 1),
        &[
            "`/add` is already served for `ucloud/a`",
            "one source with `demo_paths = true`",
        ],
    ),
];
