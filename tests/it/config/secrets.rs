//! Secrets: where they may come from, how weak they may be, and that nobody sees them.

use secrecy::ExposeSecret;

use super::{CANARY, load, load_files};

#[test]
fn a_secret_comes_from_a_file_without_its_newline_or_from_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "secret-of-a-file\r\n").unwrap();
    let text = format!(
        "[providers.jiankong.web]\ntoken = [{{ file = '{}' }}, {{ env = 'TOKEN' }}, 'secret-of-a-line']\n",
        file.display()
    );
    let config = load_files(&[("a.toml", &text)], &[("TOKEN", "secret-of-a-variable")])
        .1
        .unwrap();
    let tokens: Vec<_> = config.sources[0]
        .source
        .tokens
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    assert_eq!(
        tokens,
        [
            "secret-of-a-file",
            "secret-of-a-variable",
            "secret-of-a-line"
        ]
    );
}

#[test]
fn a_weak_secret_is_taken_when_it_is_written_out_as_wanted() {
    let text = "[providers.ucloud.prod]\nkey = [{ value = 'secret', dangerous_weak = true }, { env = 'K', dangerous_weak = true }]\n";
    let config = load_files(&[("a.toml", text)], &[("K", "x")]).1.unwrap();
    assert_eq!(config.sources[0].source.keys.len(), 2);
    let mistakes = load(&text.replace("true", "false")).unwrap_err();
    assert!(mistakes.to_string().contains("commonly guessed"));
}

#[test]
fn no_secret_is_ever_shown() {
    let broken = [
        format!("[providers.ucloud.prod]\nkey = \"{CANARY}\"\nsevrity = 1\n"),
        format!("[providers.ucloud.prod]\nkye = \"{CANARY}\"\n"),
        format!("[providers.ucloud.prod]\nkey = \"{CANARY}\n"),
        format!("[providers.ucloud.prod]\nkey = {CANARY}\n"),
        format!("[providers.ucloud.prod]\nkey = [\n\"{CANARY}\"\n\"{CANARY}\",\n]\n"),
        format!("[providers.ucloud.prod]\nkey = \"\"\"\n{CANARY}==\n"),
        format!("[providers.ucloud.prod]\n{CANARY}\n"),
        format!("[providers.ucloud.prod]\nkey = {{ valeu = \"{CANARY}\" }}\n"),
        format!("[providers.ucloud.prod]\nkey = {{ env = \"{CANARY}\" }}\n"),
        format!("[providers.ucloud]\nkey = \"{CANARY}\"\n"),
        format!("[providers.ucloud]\n\"{CANARY}\" = \"prod\"\n"),
        format!("[providers.ucloud.prod.\"{CANARY}\"]\n"),
        format!("[providers.ucloud.prod]\n\"{CANARY}\" = \"key\"\n"),
        format!("[providers.ucloud.\"{CANARY} \"]\nkye = 1\n"),
        format!("[providers.\"{CANARY}\".prod]\n"),
        format!("[\"{CANARY}\"]\nx = 1\n"),
        format!("[admin]\ntoken = {{ \"{CANARY}\" = 1 }}\n"),
        format!("[admin]\n\"{CANARY}\" = 1\n\"{CANARY}\" = 1\n"),
        format!("[admin]\n[admin.\"{CANARY}\"]\n[admin.\"{CANARY}\"]\n"),
        format!("[sinks.webhook.a]\nurl = \"http://h\"\nheaders = {{ \"{CANARY}\" = 3 }}\n"),
        format!("[sinks.webhook.a]\nurl = \"http://h\"\nheaders = {{ \"{CANARY} \" = \"x\" }}\n"),
        format!("[providers.unknown.x]\ntoken = \"{CANARY}\"\nother = [\"{CANARY}\"]\n"),
        format!("[admin]\ntokn = \"{CANARY}\"\n"),
        format!("[store]\nurl = \"mysql://u:{CANARY}@h/d\"\n"),
        format!("[store]\nurl = \"postgres:///{CANARY}\"\n"),
        format!("[sinks.webhook.a]\nurl = \"{CANARY}\"\n"),
        format!("[sinks.webhook.a]\nurl = \"ftp://{CANARY}\"\nformt = 1\n"),
        format!("[sinks.webhook.a]\nurl = \"http://h\"\nsigning_secret = \"whsec_{CANARY}\"\n"),
        format!(
            "[sinks.webhook.a]\nurl = \"http://h\"\nheaders = {{ A = \"{CANARY} {{{{ 1 +\" }}\n"
        ),
        format!("[sinks.webhook.a]\nurl = \"http://h\"\nheaders = {{ A = \"{CANARY}\", B = 3 }}\n"),
    ];
    for text in broken {
        let mistakes = load(&text).unwrap_err();
        let shown = format!("{mistakes}{mistakes:?}{}", mistakes.to_json());
        assert!(
            !shown.contains(CANARY) && !shown.contains("7f3a91d05c"),
            "{shown}"
        );
    }
    let variables = [
        ("CAMPANILE__ADMIN__TOKEN", "short"),
        ("CAMPANILE__ADMIN__TOKN", CANARY),
        ("CAMPANILE__SERVER", CANARY),
    ];
    let mistakes = load_files(&[("a.toml", "")], &variables).1.unwrap_err();
    assert!(!format!("{mistakes:?}{mistakes}").contains(CANARY));
}

/// Only what is more likely a secret than a slip of the hand is shortened.
#[test]
fn a_setting_that_does_not_exist_is_named_whole_unless_it_looks_like_a_secret() {
    for (written, shown, near) in [
        ("kye", "`kye`", Some("key")),
        ("alow-from2", "`alow-from2`", Some("allow_from")),
        ("colour", "`colour`", None),
        ("retry-wait", "`retry-wait`", None),
        ("s3cr3t", "`s3c...`", None),
        ("9f86d081884c7d659a2feaa0c55ad015", "`9f8...`", None),
        ("correct horse battery", "`cor...`", None),
        ("xQ", "`xQ`", None),
        ("\\u001b[2J", "`\\u{1b}[...`", None),
    ] {
        let text = format!("[providers.ucloud.prod]\nkey = 'c4n4ry-of-a-key'\n\"{written}\" = 1\n");
        let mistakes = load(&text).unwrap_err();
        let mistake = mistakes.iter().next().unwrap();
        assert_eq!(mistake.message, format!("unknown setting {shown}"));
        assert_eq!(mistake.nearest.as_deref(), near, "{written}");
    }
}

#[test]
fn no_secret_is_in_the_debug_form_of_a_sound_configuration() {
    let text = format!(
        "[admin]\ntoken = '{CANARY}'\n[providers.ucloud.a]\nkey = '{CANARY}'\n[providers.jiankong.b]\ntoken = '{CANARY}'\n\
         [sinks.webhook.c]\nurl = 'https://h/{CANARY}'\nheaders = {{ A = '{CANARY}' }}\n\
         signing_secret = 'whsec_Y2FuYXJ5LTdmM2E5MWQwNWNjYW5hcnktN2YzYTkxZDA1Yw=='\n"
    );
    let shown = format!("{:?}", load(&text).unwrap());
    assert!(
        !shown.contains(CANARY) && !shown.contains("Y2FuYXJ5"),
        "{shown}"
    );
}
