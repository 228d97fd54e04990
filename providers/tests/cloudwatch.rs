//! What a CloudWatch alarm names as the resource.

use campanile_model::Callback;
use campanile_providers::{Source, by_name};
use serde_json::{Value, json};

/// The id of the resource of an alarm with these dimensions.
fn resource(dimensions: &[(&str, &str)]) -> Option<String> {
    let listed = dimensions.iter();
    let listed: Value = listed
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    let trigger =
        json!({ "Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Dimensions": listed });
    let alarm = json!({ "AlarmName": "cpu", "NewStateValue": "ALARM", "Trigger": trigger });
    let envelope =
        json!({ "Type": "Notification", "MessageId": "1", "Message": alarm.to_string() });
    let raw =
        format!("POST /callback/cloudwatch/x HTTP/1.1\nContent-Type: text/plain\n\n{envelope}");
    let call = Callback::from_http(raw.as_bytes()).expect("a request");
    let cloudwatch = by_name("cloudwatch").expect("a provider");
    let reading = cloudwatch
        .read(&call, &Source::default())
        .expect("an alarm");
    let report = reading.reports.into_iter().next().expect("one alert");
    report.resource.id
}

#[test]
fn the_resource_is_the_most_specific_dimension_in_any_order() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("ClusterName", "prod"), ("ServiceName", "shop")], "shop"),
        (&[("ServiceName", "shop"), ("ClusterName", "prod")], "shop"),
        (
            &[
                ("ClusterName", "prod"),
                ("Namespace", "a"),
                ("PodName", "web-1"),
            ],
            "web-1",
        ),
        (
            &[("LoadBalancer", "app/a/1"), ("TargetGroup", "tg/b/2")],
            "tg/b/2",
        ),
        (
            &[("AutoScalingGroupName", "asg"), ("InstanceId", "i-1")],
            "i-1",
        ),
        (
            &[("StorageType", "Standard"), ("BucketName", "logs")],
            "logs",
        ),
        (&[("ClusterName", "prod")], "prod"),
    ];
    for (dimensions, wanted) in cases {
        assert_eq!(
            resource(dimensions).as_deref(),
            Some(*wanted),
            "{dimensions:?}"
        );
    }
}
