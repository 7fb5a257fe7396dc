use super::*;

/// Addresses that no URL from outside may lead to, in the forms in which they can be written.
const FORBIDDEN: [&str; 40] = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://127.0.0.1./",
    "https://0.0.0.0/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2852039166/",
    "https://0xa9fea9fe/",
    "https://0251.0376.0251.0376/",
    "https://169.254.170.2/",
    "https://100.64.0.1/",
    "https://192.0.0.8/",
    "https://192.0.2.1/",
    "https://198.18.0.1/",
    "https://198.51.100.1/",
    "https://203.0.113.1/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[64:ff9b:1::1]/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fc00::1]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001::1]/",
];

#[test]
fn an_address_that_is_not_public_is_refused_however_it_is_written() {
    for url in FORBIDDEN {
        let refused = OutgoingTarget::parse(url, Targets::Public);
        assert!(matches!(refused, Err(TargetError::Address(_))), "{url}: {refused:?}");
    }
}

#[test]
fn a_url_is_https_without_credentials_on_a_port_of_https() {
    for (url, error) in [
        ("http://bff.example/", TargetError::Scheme),
        ("ftp://bff.example/", TargetError::Scheme),
        ("file:///etc/passwd", TargetError::Malformed),
        ("bff.example/hooks", TargetError::Malformed),
        ("https://", TargetError::Malformed),
        ("https://user@bff.example/", TargetError::Credentials),
        ("https://user:word@bff.example/", TargetError::Credentials),
        ("https://public.example@127.0.0.1/", TargetError::Credentials),
        ("https://bff.example/#there", TargetError::Credentials),
        ("https://bff.example:22/", TargetError::Port),
        ("https://bff.example:80/", TargetError::Port),
    ] {
        assert_eq!(OutgoingTarget::parse(url, Targets::Public), Err(error), "{url}");
    }
    let long = format!("https://bff.example/{}", "a".repeat(LENGTH_MAX));
    assert_eq!(OutgoingTarget::parse(&long, Targets::Public), Err(TargetError::Malformed));
    for url in ["https://bff.example/hooks?token=1", "https://bff.example:8443/", "https://93.184.216.34/"] {
        assert!(OutgoingTarget::parse(url, Targets::Public).is_ok(), "{url}");
    }
}

#[test]
fn a_name_with_one_private_answer_is_refused_whole() {
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    assert_eq!(Targets::Public.admit(addresses(&["93.184.216.34", "2606:4700::1111"])), Ok(()));
    for private in ["10.0.0.7", "::1", "::ffff:10.0.0.7", "169.254.169.254"] {
        let refused = Targets::Public.admit(addresses(&["93.184.216.34", private]));
        assert_eq!(refused, Err(TargetError::Address(private.parse().unwrap())));
    }
}

#[test]
fn the_machine_itself_may_be_called_by_the_local_stack_only() {
    for url in ["http://127.0.0.1:8080/webhooks", "http://localhost:8080/", "https://[::1]:4433/"] {
        assert!(OutgoingTarget::parse(url, Targets::PublicAndLoopback).is_ok(), "{url}");
        assert!(OutgoingTarget::parse(url, Targets::Public).is_err(), "{url}");
    }
    for url in ["http://bff.example/", "https://10.0.0.1/", "https://169.254.169.254/", "http://[::ffff:127.0.0.1]/"] {
        assert!(OutgoingTarget::parse(url, Targets::PublicAndLoopback).is_err(), "{url}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn each_connection_looks_its_name_up_and_goes_nowhere_else() {
    // The text of the name is accepted; its address is checked when it is resolved, as for a rebound name.
    let target = OutgoingTarget::parse("https://localhost/", Targets::Public).unwrap();
    assert!(
        matches!(target.look_up(Targets::Public).await, Err(TargetError::Address(address)) if address.is_loopback())
    );
    let second = std::time::Duration::from_secs(1);
    let sender = Sender::new("test", Timeouts { connect: second, total: second }, Targets::Public).unwrap();
    let refused = crate::reason(sender.post(&target).send().await.unwrap_err());
    assert!(refused.contains("must lead to public addresses only"), "{refused}");
}
