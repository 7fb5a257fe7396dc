//! Queues, the topic, and what they feed.

use std::collections::BTreeSet;
use std::fs;

use quittance_domain::notification::Notice;
use serde_json::{Value, json};
use xtask::paths::workspace_root;

use super::document::{Resource, Template, target};

/// AWS asks for six times, so that a batch that is being retried is not handed out a second time.
const VISIBILITY_FACTOR: u64 = 6;

/// On the way of money an outage must not turn healthy messages into dead letters.
const MONEY_RECEIVES: u64 = 100;

fn is_dead_letter(name: &str) -> bool {
    name.ends_with("DeadLetterQueue")
}

#[test]
fn a_message_stays_hidden_for_six_times_the_time_its_function_has() {
    let template = Template::read();
    for (name, function, queue, _) in template.queue_sources() {
        let visibility = template.resource(&queue).number("/VisibilityTimeout").expect("a timeout");
        let needed = VISIBILITY_FACTOR * template.timeout(function);
        assert!(visibility >= needed, "{queue} hides messages for {visibility} s, {name} needs {needed} s");
    }
}

#[test]
fn a_function_answers_for_each_message_alone_and_its_instances_are_bounded() {
    for (name, _, _, source) in Template::read().queue_sources() {
        assert_eq!(source["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{name}");
        assert!(source["ScalingConfig"]["MaximumConcurrency"].is_u64(), "{name}");
    }
}

#[test]
fn each_queue_that_is_read_has_a_dead_letter_queue_of_its_own() {
    let template = Template::read();
    let mut used = BTreeSet::new();
    for (name, queue) in template.all("AWS::SQS::Queue").into_iter().filter(|(name, _)| !is_dead_letter(name)) {
        let dead_letters = target(queue.property("/RedrivePolicy/deadLetterTargetArn"));
        let dead_letters = dead_letters.unwrap_or_else(|| panic!("{name} has no dead-letter queue"));
        assert_eq!(dead_letters, format!("{}DeadLetterQueue", name.trim_end_matches("Queue")));
        assert_eq!(
            template.resource(&dead_letters).property("/FifoQueue"),
            queue.property("/FifoQueue"),
            "{name} and its dead-letter queue are of one kind"
        );
        assert!(used.insert(dead_letters), "{name} shares its dead-letter queue");
    }
}

#[test]
fn an_outage_of_the_database_makes_no_dead_letters_of_payments() {
    let receives = Template::read().resource("PaymentsQueue").number("/RedrivePolicy/maxReceiveCount");
    assert_eq!(receives, Some(MONEY_RECEIVES));
}

#[test]
fn a_function_parks_in_the_dead_letter_queue_of_the_queue_it_reads() {
    for (name, function, queue, _) in Template::read().queue_sources() {
        // A function that reads a queue for each provider parks in one for each provider.
        let provider = queue.strip_suffix("GatewayQueue").map(|provider| format!("{}_", provider.to_uppercase()));
        let setting = format!("/Environment/Variables/{}DEAD_LETTER_QUEUE_URL", provider.unwrap_or_default());
        let parks_in = target(function.property(&setting));
        assert_eq!(parks_in, Some(format!("{}DeadLetterQueue", queue.trim_end_matches("Queue"))), "{name}");
    }
}

#[test]
fn fifo_queues_and_the_topic_order_by_group_and_not_as_a_whole() {
    let template = Template::read();
    let queues = template.all("AWS::SQS::Queue");
    let is_fifo = |queue: &Resource| queue.property("/FifoQueue") == &json!(true);
    assert!(queues.iter().filter(|(_, queue)| is_fifo(queue)).count() >= 10);
    for (name, queue) in queues.into_iter().filter(|(_, queue)| is_fifo(queue)) {
        assert_eq!(queue.property("/DeduplicationScope"), "messageGroup", "{name}");
        assert_eq!(queue.property("/FifoThroughputLimit"), "perMessageGroupId", "{name}");
        assert!(queue.property("/QueueName").to_string().contains(".fifo"), "{name}");
    }
    let topic = template.resource("InvoiceEventsTopic");
    assert_eq!(topic.property("/FifoTopic"), &json!(true));
    assert_eq!(topic.property("/FifoThroughputScope"), "MessageGroup");
}

#[test]
fn what_somebody_has_to_look_at_raises_an_alarm() {
    let template = Template::read();
    for (name, code, group, file) in [
        ("OutboxParked", "outbox_parked", "RelayLogGroup", "functions/relay/src/relay.rs"),
        (
            "WebhookEndpointDisabled",
            "webhook_endpoint_disabled",
            "DeliveryLogGroup",
            "functions/delivery/src/handler.rs",
        ),
        ("NotificationParked", "notification_parked", "NotificationLogGroup", "functions/notification/src/attempt.rs"),
    ] {
        let metric = template.resource(&format!("{name}Metric"));
        let alarm = template.resource(&format!("{name}Alarm"));
        let source = fs::read_to_string(workspace_root().join(file)).unwrap();
        assert!(source.contains(&format!(r#"alarm = "{code}""#)), "what the filter of {name} looks for is logged");
        assert_eq!(metric.property("/FilterPattern"), &json!(format!(r#"{{ $.alarm = "{code}" }}"#)));
        assert_eq!(metric.property("/LogGroupName/Ref"), group);
        let counted = metric.property("/MetricTransformations/0/MetricName");
        assert_eq!(alarm.property("/MetricName"), counted);
        assert_eq!(alarm.property("/AlarmActions/0/Ref"), "AlarmsTopic");
    }
}

#[test]
fn the_filter_of_notifications_lets_through_what_clients_are_told_of_and_nothing_else() {
    let template = Template::read();
    let filter = template.resource("NotificationSubscription").property("/FilterPolicy/type");
    let types: BTreeSet<&str> = filter.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(types, Notice::ALL.iter().map(|notice| notice.as_str()).collect());
}

#[test]
fn messages_are_encrypted_and_kept_as_long_as_sqs_can() {
    for (name, queue) in Template::read().all("AWS::SQS::Queue") {
        assert_eq!(queue.property("/SqsManagedSseEnabled"), &json!(true), "{name}");
        assert_eq!(queue.number("/MessageRetentionPeriod"), Some(14 * 24 * 60 * 60), "{name}");
    }
}

#[test]
fn each_subscription_passes_events_raw_and_has_a_dead_letter_queue_of_its_own() {
    let template = Template::read();
    let policies = template.all("AWS::SQS::QueuePolicy");
    let queues = policies.iter().filter_map(|(_, policy)| policy.property("/Queues").as_array());
    let admitted: BTreeSet<String> = queues.flatten().filter_map(target).collect();
    let mut used = BTreeSet::new();
    for (name, subscription) in template.all("AWS::SNS::Subscription") {
        assert_eq!(subscription.property("/RawMessageDelivery"), &json!(true), "{name}");
        let dead_letters = target(subscription.property("/RedrivePolicy/deadLetterTargetArn"))
            .unwrap_or_else(|| panic!("{name} has no dead-letter queue"));
        let queue = target(subscription.property("/Endpoint")).expect("a subscription ends in a queue");
        for queue in [&queue, &dead_letters] {
            assert!(admitted.contains(queue), "the topic may not send to {queue}");
        }
        assert_eq!(dead_letters, format!("{name}DeadLetterQueue"));
        assert!(used.insert(dead_letters), "{name} shares its dead-letter queue");
    }
}
