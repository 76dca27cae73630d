use super::*;

fn plan_with(config: &str, name: &str, serial: Option<&str>) -> Result<Plan, AwsError> {
    Plan::of(&Profiles::of_config(config, name), serial)
}

fn plan(config: &str) -> Plan {
    plan_with(config, "p", None).unwrap()
}

/// The message of a configuration that cannot be used.
fn refusal(config: &str) -> String {
    plan_with(config, "p", None).unwrap_err().to_string()
}

fn arns(plan: &Plan) -> Vec<&str> {
    plan.roles.iter().map(|role| role.request.arn.as_str()).collect()
}

fn device(serial: &str, process: Option<&str>) -> Option<Device> {
    Some(Device { serial: serial.to_owned(), process: process.map(str::to_owned) })
}

#[test]
fn a_role_has_all_that_its_profile_says() {
    let plan = plan(
        "[profile p]\nrole_arn = r\nsource_profile = base\nmfa_serial = m\nmfa_process = oath\n\
         duration_seconds = 900\nexternal_id = e\nrole_session_name = s\n\
         [profile base]\naws_access_key_id = AKIA\naws_secret_access_key = k\n",
    );
    assert!(matches!(&plan.source, Source::Keys(keys) if keys.access_key_id() == "AKIA"));
    let request = RoleRequest {
        arn: "r".to_owned(),
        session_name: Some("s".to_owned()),
        external_id: Some("e".to_owned()),
        duration: Some(Duration::from_secs(900)),
    };
    assert_eq!(plan.roles, [Role { request, device: device("m", Some("oath")) }]);
    assert_eq!(plan.device, None);
}

#[test]
fn roles_are_assumed_from_the_source_on() {
    let chain = "[profile p]\nrole_arn = last\nsource_profile = middle\n\
                 [profile middle]\nrole_arn = first\nsource_profile = base\n\
                 [profile base]\nsso_session = Corp One\nsso_account_id = 1\nsso_role_name = n\n\
                 [sso-session 'Corp One']\nsso_start_url = https://corp\nsso_region = eu-west-1\n";
    let plan = plan(chain);
    assert_eq!(arns(&plan), ["first", "last"]);
    let Source::Sso { profile, login } = plan.source else { panic!("{plan:?}") };
    let expected = SsoLogin {
        session: Some("Corp One".to_owned()),
        start_url: "https://corp".to_owned(),
        region: "eu-west-1".to_owned(),
        account: "1".to_owned(),
        role: "n".to_owned(),
    };
    assert_eq!((profile.as_str(), login), ("base", expected));
}

#[test]
fn keys_beside_a_role_win_in_a_source_profile_and_lose_in_the_one_in_use() {
    let keys = "aws_access_key_id = AKIA\naws_secret_access_key = k\n";
    let both = format!("role_arn = r\nsource_profile = p\n{keys}");
    let own = plan(&format!("[profile p]\n{both}"));
    assert_eq!(arns(&own), ["r"]);
    assert!(matches!(&own.source, Source::Keys(keys) if keys.access_key_id() == "AKIA"));

    let other =
        plan(&format!("[profile p]\nrole_arn = q\nsource_profile = b\n[profile b]\n{both}"));
    assert_eq!(arns(&other), ["q"]);
    assert!(matches!(&other.source, Source::Keys(keys) if keys.access_key_id() == "AKIA"));
}

#[test]
fn named_sources_are_the_sdks_whatever_their_case() {
    let plan = |source: &str| {
        let config = format!("[profile p]\nrole_arn = r\ncredential_source = {source}\n");
        plan_with(&config, "p", None)
    };
    assert!(matches!(plan("Environment").unwrap().source, Source::Environment));
    assert!(matches!(plan("EcsContainer").unwrap().source, Source::Container));
    let instance = plan("ec2instancemetadata").unwrap();
    assert!(matches!(instance.source, Source::InstanceMetadata));
    let unknown = plan("Post").unwrap_err().to_string();
    assert!(unknown.contains("profile `p`") && unknown.contains("`Post`"), "{unknown}");
}

#[test]
fn a_role_of_web_identity_is_a_source() {
    let plan = plan("[profile p]\nrole_arn = r\nweb_identity_token_file = /t\n");
    assert!(plan.roles.is_empty());
    assert!(matches!(plan.source, Source::WebIdentity(identity) if identity.role == "r"));
}

#[test]
fn profiles_that_lead_nowhere_are_named() {
    let round = "[profile p]\nrole_arn = r\nsource_profile = q\n\
                 [profile q]\nrole_arn = r\nsource_profile = p\n";
    assert_eq!(
        refusal(round),
        "AWS configuration: profile `p`: source_profile goes round: p -> q -> p"
    );
    let itself = "[profile p]\nrole_arn = r\nsource_profile = p\n";
    assert!(refusal(itself).ends_with("goes round: p -> p"));
    let missing = "[profile p]\nrole_arn = r\nsource_profile = gone\n";
    assert!(refusal(missing).ends_with("profile `p`: its source_profile `gone` is missing"));
    let both = "[profile p]\nrole_arn = r\nsource_profile = p\ncredential_source = Environment\n";
    assert!(refusal(both).contains("both source_profile and credential_source"));
    let neither = "[profile p]\nrole_arn = r\n";
    assert!(refusal(neither).contains("neither source_profile nor credential_source"));
}

#[test]
fn a_duration_that_is_no_number_is_left_out_as_botocore_does() {
    let config = "[profile p]\nrole_arn = r\ncredential_source = Environment\n\
                  duration_seconds = an hour\n";
    assert_eq!(plan(config).roles[0].request.duration, None);
}

#[test]
fn long_term_keys_have_the_device_of_the_profile_in_use() {
    let keys = "mfa_serial = m\naws_access_key_id = AKIA\naws_secret_access_key = k\n";
    let config = format!(
        "[profile p]\nduration_seconds = 3600\n{keys}\
         [profile r]\nrole_arn = r\nsource_profile = p\nmfa_process = oath\n"
    );
    let own = plan(&config);
    assert_eq!(own.device, device("m", None));
    assert_eq!(own.duration, Some(Duration::from_secs(3600)));
    // The AWS CLI asks for no code here, and many a script relies on that.
    let as_source = plan_with(&config, "r", None).unwrap();
    assert_eq!((as_source.device, as_source.duration), (None, None));
    // Unless the user says so.
    let typed = plan_with(&config, "r", Some("typed")).unwrap();
    assert_eq!(typed.device, device("typed", Some("oath")));
}

#[test]
fn a_typed_device_takes_the_place_of_the_roles_own() {
    let config = "[profile p]\nrole_arn = last\nsource_profile = q\n\
                  [profile q]\nrole_arn = first\ncredential_source = Environment\nmfa_serial = m\n";
    let plan = plan_with(config, "p", Some("typed")).unwrap();
    let devices: Vec<_> = plan.roles.into_iter().map(|role| role.device).collect();
    assert_eq!(devices, [device("typed", None), None]);
    assert_eq!(plan.device, None);
}

#[test]
fn the_sources_own_mfa_serves_the_role() {
    let config = "[profile p]\nrole_arn = r\nsource_profile = base\n\
                  [profile base]\nmfa_serial = m\nmfa_process = oath\n\
                  aws_access_key_id = AKIA\naws_secret_access_key = k\n";
    let mut spare = plan(config);
    assert_eq!((&spare.device, &spare.spare), (&None, &device("m", Some("oath"))));
    spare.use_spare();
    assert_eq!(spare.device, device("m", Some("oath")));
    let own = plan(&config.replace("role_arn = r", "role_arn = r\nmfa_serial = n"));
    assert_eq!(own.roles[0].device, device("n", Some("oath")));
    assert_eq!(own.spare, None);
}

#[test]
fn sources_go_in_the_order_of_botocore() {
    let login = "sso_start_url = u\nsso_region = r\nsso_account_id = 1\nsso_role_name = n\n";
    let keys = "aws_access_key_id = A\naws_secret_access_key = k\naws_security_token = t\n";
    let of = |options: &str| plan(&format!("[profile p]\n{options}")).source;
    assert!(matches!(of(&format!("{login}{keys}")), Source::Sso { .. }));
    let process = format!("credential_process = x\n{keys}");
    assert!(matches!(of(&process), Source::Process { command, .. } if command == "x"));
    assert!(matches!(of(&format!("login_session = s\n{process}")), Source::Console { .. }));
    assert!(matches!(of(keys), Source::Keys(keys) if keys.session_token() == Some("t")));
    assert!(matches!(of("credential_process =\naws_access_key_id =\n"), Source::Machine { .. }));
}

#[test]
fn sso_without_all_it_needs_is_named() {
    let of = |options: &str| refusal(&format!("[profile p]\nsso_account_id = 1\n{options}"));
    assert!(
        of("sso_role_name = n\n").ends_with("profile `p`: it uses SSO, and has no sso_start_url")
    );
    let gone = of("sso_role_name = n\nsso_session = corp\n");
    assert!(gone.ends_with("its sso_session has no section [sso-session corp]"), "{gone}");
}
