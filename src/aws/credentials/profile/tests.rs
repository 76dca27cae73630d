use super::*;
use crate::aws::configuration::{ConfigFiles, read_profile};

#[expect(deprecated, reason = "its new name is in a crate that nothing else here needs")]
type FileKind = aws_config::profile::profile_file::ProfileFileKind;

async fn plan_with(config: &str, name: &str, serial: Option<&str>) -> Result<Plan, AwsError> {
    let files = ConfigFiles::builder().with_contents(FileKind::Config, config).build();
    Plan::of(&read_profile(Some(name), &files).await.unwrap(), serial)
}

async fn plan(config: &str) -> Plan {
    plan_with(config, "p", None).await.unwrap()
}

/// The message of a configuration that cannot be used.
async fn refusal(config: &str) -> String {
    plan_with(config, "p", None).await.unwrap_err().to_string()
}

fn arns(plan: &Plan) -> Vec<&str> {
    plan.roles.iter().map(|role| role.request.arn.as_str()).collect()
}

fn device(serial: &str, process: Option<&str>) -> Option<Device> {
    Some(Device { serial: serial.to_owned(), process: process.map(str::to_owned) })
}

#[tokio::test]
async fn a_role_has_all_that_its_profile_says() {
    let plan = plan(
        "[profile p]\nrole_arn = r\nsource_profile = base\nmfa_serial = m\nmfa_process = oath\n\
         duration_seconds = 900\nexternal_id = e\nrole_session_name = s\n\
         [profile base]\naws_access_key_id = AKIA\naws_secret_access_key = k\n",
    )
    .await;
    assert!(matches!(&plan.source, Source::Profile { name, uses_sso: false } if name == "base"));
    let request = RoleRequest {
        arn: "r".to_owned(),
        session_name: Some("s".to_owned()),
        external_id: Some("e".to_owned()),
        duration: Some(Duration::from_secs(900)),
    };
    assert_eq!(plan.roles, [Role { request, device: device("m", Some("oath")) }]);
    assert_eq!(plan.device, None);
}

#[tokio::test]
async fn roles_are_assumed_from_the_source_on() {
    let chain = "[profile p]\nrole_arn = last\nsource_profile = middle\n\
                 [profile middle]\nrole_arn = first\nsource_profile = base\n\
                 [profile base]\nsso_session = corp\n";
    let plan = plan(chain).await;
    assert_eq!(arns(&plan), ["first", "last"]);
    assert!(matches!(&plan.source, Source::Profile { name, uses_sso: true } if name == "base"));
}

#[tokio::test]
async fn keys_beside_a_role_win_in_a_source_profile_and_lose_in_the_one_in_use() {
    let keys = "aws_access_key_id = AKIA\naws_secret_access_key = k\n";
    let both = format!("role_arn = r\nsource_profile = p\n{keys}");
    let own = plan(&format!("[profile p]\n{both}")).await;
    assert_eq!(arns(&own), ["r"]);
    assert!(matches!(&own.source, Source::Keys(keys) if keys.access_key_id() == "AKIA"));

    let other =
        plan(&format!("[profile p]\nrole_arn = q\nsource_profile = b\n[profile b]\n{both}")).await;
    assert_eq!(arns(&other), ["q"]);
    assert!(matches!(&other.source, Source::Keys(keys) if keys.access_key_id() == "AKIA"));
}

#[tokio::test]
async fn named_sources_are_the_sdks_whatever_their_case() {
    let plan = async |source: &str| {
        let config = format!("[profile p]\nrole_arn = r\ncredential_source = {source}\n");
        plan_with(&config, "p", None).await
    };
    assert!(matches!(plan("Environment").await.unwrap().source, Source::Environment));
    assert!(matches!(plan("EcsContainer").await.unwrap().source, Source::Container));
    let instance = plan("ec2instancemetadata").await.unwrap();
    assert!(matches!(instance.source, Source::InstanceMetadata));
    let unknown = plan("Post").await.unwrap_err().to_string();
    assert!(unknown.contains("profile `p`") && unknown.contains("`Post`"), "{unknown}");
}

#[tokio::test]
async fn a_role_of_web_identity_is_a_source() {
    let plan = plan("[profile p]\nrole_arn = r\nweb_identity_token_file = /t\n").await;
    assert!(plan.roles.is_empty());
    assert!(matches!(plan.source, Source::Profile { .. }));
}

#[tokio::test]
async fn profiles_that_lead_nowhere_are_named() {
    let round = "[profile p]\nrole_arn = r\nsource_profile = q\n\
                 [profile q]\nrole_arn = r\nsource_profile = p\n";
    assert_eq!(
        refusal(round).await,
        "AWS configuration: profile `p`: source_profile goes round: p -> q -> p"
    );
    let itself = "[profile p]\nrole_arn = r\nsource_profile = p\n";
    assert!(refusal(itself).await.ends_with("goes round: p -> p"));
    let missing = "[profile p]\nrole_arn = r\nsource_profile = gone\n";
    assert!(refusal(missing).await.ends_with("profile `p`: its source_profile `gone` is missing"));
    let both = "[profile p]\nrole_arn = r\nsource_profile = p\ncredential_source = Environment\n";
    assert!(refusal(both).await.contains("both source_profile and credential_source"));
    let neither = "[profile p]\nrole_arn = r\n";
    assert!(refusal(neither).await.contains("neither source_profile nor credential_source"));
}

#[tokio::test]
async fn a_duration_that_is_no_number_is_left_out_as_botocore_does() {
    let config = "[profile p]\nrole_arn = r\ncredential_source = Environment\n\
                  duration_seconds = an hour\n";
    assert_eq!(plan(config).await.roles[0].request.duration, None);
}

#[tokio::test]
async fn long_term_keys_have_the_device_of_the_profile_in_use() {
    let keys = "mfa_serial = m\naws_access_key_id = AKIA\naws_secret_access_key = k\n";
    let config = format!(
        "[profile p]\nduration_seconds = 3600\n{keys}\
         [profile r]\nrole_arn = r\nsource_profile = p\nmfa_process = oath\n"
    );
    let own = plan(&config).await;
    assert_eq!(own.device, device("m", None));
    assert_eq!(own.duration, Some(Duration::from_secs(3600)));
    // The AWS CLI asks for no code here, and many a script relies on that.
    let as_source = plan_with(&config, "r", None).await.unwrap();
    assert_eq!((as_source.device, as_source.duration), (None, None));
    // Unless the user says so.
    let typed = plan_with(&config, "r", Some("typed")).await.unwrap();
    assert_eq!(typed.device, device("typed", Some("oath")));
}

#[tokio::test]
async fn a_typed_device_takes_the_place_of_the_roles_own() {
    let config = "[profile p]\nrole_arn = last\nsource_profile = q\n\
                  [profile q]\nrole_arn = first\ncredential_source = Environment\nmfa_serial = m\n";
    let plan = plan_with(config, "p", Some("typed")).await.unwrap();
    let devices: Vec<_> = plan.roles.into_iter().map(|role| role.device).collect();
    assert_eq!(devices, [device("typed", None), None]);
    assert_eq!(plan.device, None);
}
