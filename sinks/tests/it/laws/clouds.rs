//! What the recipes of clouds send that no fixture can show.

use std::sync::Arc;

use campanile_settings::{Environment, Values};
use campanile_sinks::{Kind, Tools, settings_of};

use super::stage::{firing, message, recipes, sink};

fn named(name: &str) -> Option<&'static Arc<dyn Kind>> {
    recipes().find(|kind| kind.about().name == name)
}

#[test]
fn a_bucket_is_in_the_name_of_the_host_where_the_path_is_not_taken() {
    let Some(s3) = named("s3") else { return };
    for (style, first) in [
        (
            "true",
            "PUT https://store.example.com/alerts/prod/1970/01/01/",
        ),
        (
            "false",
            "PUT https://alerts.store.example.com/prod/1970/01/01/",
        ),
    ] {
        let more = format!("path_style = {style}\nprefix = \"prod\"\n");
        let sink = sink(&**s3, "https://store.example.com", &more);
        let shown = sink.render(&message(firing())).unwrap();
        // The address is hidden as a secret.
        let first = first.replace("https://store.example.com", "***");
        assert!(shown.starts_with(&first), "{shown}");
    }
}

#[test]
fn an_alert_that_no_queue_takes_is_sent_without_its_details() {
    let mut long = firing();
    long.description = "長".repeat(70_000);
    for kind in ["sqs", "sns"].into_iter().filter_map(named) {
        let name = &kind.about().name;
        let sink = sink(&**kind, "http://127.0.0.1:9", "");
        let whole = sink.render(&message(firing())).unwrap();
        assert!(whole.contains("description"), "{name}: {whole}");
        let cut = sink.render(&message(long.clone())).unwrap();
        assert!(cut.len() < 4000, "{name}: {}", cut.len());
        assert!(cut.contains("38e1e3beb411c350"), "{name}: {cut}");
        assert!(!cut.contains("description"), "{name}: {cut}");
    }
}

#[test]
fn a_word_that_fills_no_variable_is_refused_with_the_words_that_do() {
    let names = ["aliyun-sms", "aliyun-voice", "tencent-sms", "tencent-voice"];
    for kind in names.into_iter().filter_map(named) {
        let name = &kind.about().name;
        let needed = kind.settings().iter().filter(|setting| setting.required);
        let lines = needed.map(|setting| {
            let example = if setting.takes.is_secret() {
                "\"c4nary-9f2b7d10\""
            } else {
                &setting.example
            };
            format!("{} = {example}\n", setting.name)
        });
        let text = lines.collect::<String>() + "variables = [\"name=resouce\"]\n";
        let values = Values::parse(&text, &settings_of(&**kind), &Environment::new());
        let tools = Tools {
            name: "recipe/law",
            timeout: std::time::Duration::from_secs(5),
        };
        let refused = kind.build(&values.unwrap(), &tools).err().unwrap();
        let problem = &refused.problem;
        assert!(
            problem.contains("resouce` is not one of"),
            "{name}: {problem}"
        );
        assert!(problem.contains("resource"), "{name}: {problem}");
    }
}

#[test]
fn a_recipe_that_signs_for_aws_names_the_feature_that_it_needs() {
    for kind in recipes() {
        let signs = kind.toml().unwrap().contains("scheme = \"aws\"");
        let feature = kind.about().feature.map(|feature| feature.name);
        assert_eq!(feature, signs.then_some("aws"), "{}", kind.about().name);
    }
}
