//! Queues, the topic, and their consumers.

use std::collections::BTreeSet;

use quittance_domain::event::EVENT_VERSION;
use quittance_domain::notification::NotificationKind;
use quittance_operator::cli::Consumer;
use quittance_operator::queues::NAMES;
use serde_json::{Value, json};

use super::document::{Resource, Template, target};

/// AWS recommends a factor of six, so that a batch that is being retried is not delivered a second time.
const VISIBILITY_FACTOR: u64 = 6;

/// On the path of money, an outage must not turn healthy messages into dead letters.
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
        // A function that reads a queue for each provider also has a dead-letter queue for each provider.
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
fn the_notification_filter_lets_through_the_events_of_notifications_and_nothing_else() {
    let template = Template::read();
    let filter = template.resource("NotificationSubscription").property("/FilterPolicy/type");
    let types: BTreeSet<&str> = filter.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(types, NotificationKind::ALL.iter().map(|notice| notice.as_str()).collect());
}

#[test]
fn the_operators_tool_knows_the_subscription_filters() {
    let template = Template::read();
    for (consumer, subscription) in [
        (Consumer::Receipt, "ReceiptSubscription"),
        (Consumer::Ledger, "LedgerSubscription"),
        (Consumer::Notification, "NotificationSubscription"),
    ] {
        let filter = template.resource(subscription).property("/FilterPolicy/type");
        let passed: BTreeSet<String> =
            filter.as_array().into_iter().flatten().filter_map(|kind| Some(kind.as_str()?.to_owned())).collect();
        let samples = crate::contract::samples(&EVENT_VERSION.to_string()).into_iter();
        let heard: BTreeSet<String> =
            samples.filter(|(_, body)| consumer.subscribes_to(body)).map(|(kind, _)| kind).collect();
        assert_eq!(heard, passed, "{consumer:?}");
    }
    assert_eq!(template.resource("WebhookSubscription").property("/FilterPolicy"), &Value::Null, "hears everything");
}

#[test]
fn the_operators_tool_knows_every_queue_and_may_receive_from_dead_letter_queues_only() {
    let template = Template::read();
    let named = |queue: &Resource| {
        let name = queue.property("/QueueName/Fn::Sub").as_str().unwrap().strip_prefix("${AWS::StackName}-").unwrap();
        name.trim_end_matches(".fifo").to_owned()
    };
    let queues = template.all("AWS::SQS::Queue");
    let names: BTreeSet<String> = queues.iter().map(|(_, queue)| named(queue)).collect();
    assert_eq!(names, NAMES.iter().map(|name| (*name).to_owned()).collect());
    let statements = template.resource("OperatorPolicy").property("/PolicyDocument/Statement").as_array().unwrap();
    let allowed = |action: &str| -> BTreeSet<String> {
        let of_action = statements.iter().filter(|statement| statement["Action"].to_string().contains(action));
        of_action.flat_map(|statement| statement["Resource"].as_array().unwrap()).filter_map(target).collect()
    };
    let (dead, front): (BTreeSet<String>, BTreeSet<String>) =
        queues.iter().map(|(name, _)| (*name).to_owned()).partition(|name| name.ends_with("DeadLetterQueue"));
    assert_eq!((allowed("sqs:ReceiveMessage"), allowed("sqs:DeleteMessage")), (dead.clone(), dead));
    assert_eq!(allowed("sqs:SendMessage"), front);
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
