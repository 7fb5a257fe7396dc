//! `samconfig.toml`: what is built is what is deployed.

/// The architecture passed to an environment's command; the template's default if none is passed.
fn architecture(environment: &str, command: &str) -> String {
    let config = include_str!("../../samconfig.toml");
    let header = format!("[{environment}.{command}.parameters]");
    let section = config.split(&header).nth(1).unwrap_or_else(|| panic!("samconfig.toml lacks {header}"));
    let section = section.split("\n[").next().unwrap_or_default();
    let given = section.split("Architecture=").nth(1).unwrap_or("x86_64");
    given.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

#[test]
fn each_environment_builds_for_the_architecture_that_it_deploys() {
    for environment in ["staging", "prod"] {
        assert_eq!(architecture(environment, "build"), architecture(environment, "deploy"), "{environment}");
    }
    assert_eq!(architecture("prod", "deploy"), "arm64");
}
