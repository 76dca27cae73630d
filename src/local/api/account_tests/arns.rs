//! ARNs that a caller names: one of another account, region, partition or kind is not the caller's
//! own of the same name.

use super::*;

/// A user who may do everything on what `resources` name, a list of JSON.
fn allowed(resources: &str) -> Caller {
    let json = format!(
        r#"{{"Version": "2012-10-17", "Statement":
            {{"Effect": "Allow", "Action": "*", "Resource": {resources}}}}}"#
    );
    let mut caller = user(&service(), "alice");
    caller.policies = [Policy::read("p.json", &json).expect("a policy")].into();
    caller
}

#[test]
fn a_document_of_another_account_or_region_is_another_one() {
    let mut service = service();
    let shell = |place: &str| format!("arn:{place}:document/SSM-SessionManagerRunShell");
    let own = shell("aws:ssm:eu-west-1:123456789012");
    let strangers = [
        shell("aws:ssm:eu-west-1:210987654321"),
        shell("aws:ssm:us-east-1:123456789012"),
        shell("aws-cn:ssm:eu-west-1:123456789012"),
        shell("aws:ssm:eu-west-1:"),
        shell("aws:s3:eu-west-1:123456789012"),
        "arn:aws:ssm:eu-west-1:123456789012:document/AWS-StartSSHSession".to_owned(),
    ];
    let caller = allowed(r#"["arn:aws:ec2:*:*:*", "arn:aws:ssm:*:123456789012:document/SSM-*"]"#);
    start(&mut service, &caller, ALICES, Some(&own)).expect("allowed");
    start(&mut service, &caller, ALICES, Some("SSM-SessionManagerRunShell")).expect("allowed");
    for document in &strangers {
        // What is allowed is so under its own ARN, and is not there.
        let error = start(&mut service, &caller, ALICES, Some(document)).unwrap_err();
        let expected = match document == &strangers[1] {
            true => format!("InvalidDocument: Document with name {document} does not exist."),
            false => {
                format!("is not authorized to perform: ssm:StartSession on resource: {document}")
            }
        };
        assert!(error.contains(&expected), "{error}");
        let everything = allowed(r#""*""#);
        let error = start(&mut service, &everything, ALICES, Some(document)).unwrap_err();
        assert!(error.starts_with("InvalidDocument: "), "{error}");
    }
    for name in ["x/SSM-SessionManagerRunShell", "document/AWS-StartSSHSession"] {
        let error = start(&mut service, &allowed(r#""*""#), ALICES, Some(name)).unwrap_err();
        assert!(error.starts_with("InvalidDocument: "), "{error}");
    }
}

#[test]
fn a_key_of_another_account_is_asked_about_as_such() {
    let kms = Kms::new(Some("1234")).expect("random bytes").of_account(ACCOUNT);
    let own = "arn:aws:kms:us-east-1:123456789012:key/1234";
    let caller = allowed(&format!("\"{own}\""));
    let asked = |key: &str| {
        let body = json!({ "KeyId": key, "NumberOfBytes": 64 }).to_string();
        call(&caller, &body, |call| kms::authorize("GenerateDataKey", call, &kms))
    };
    for key in ["1234", own] {
        assert_eq!(asked(key), Ok(()), "{key}");
    }
    for key in [
        "arn:aws:kms:us-east-1:210987654321:key/1234",
        "arn:aws:kms:eu-west-1:123456789012:key/1234",
        "arn:aws-cn:kms:us-east-1:123456789012:key/1234",
    ] {
        assert_eq!(asked(key).unwrap_err().resource, key);
    }
}

#[test]
fn clusters_and_tasks_are_those_of_the_account() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("account.toml");
    let id = "0123456789abcdef0123456789abcdef";
    let text = format!(
        "id = \"{ACCOUNT}\"\n[users.alice]\n[[tasks]]\ncluster = \"prod\"\nid = \"{id}\"\n\
         containers = [\"app\"]\n"
    );
    std::fs::write(&file, text).expect("written");
    let account = Account::load(&file, &Node::default()).expect("a good file");
    let service = EmbeddedService::new([]).expect("random bytes").with_account(Some(account));
    let caller = allowed(r#""*""#);
    let described = |cluster: &str, task: &str| {
        let body = json!({ "cluster": cluster, "tasks": [task] }).to_string();
        let mut service = EmbeddedService::new([])
            .expect("random bytes")
            .with_account(service.account().cloned());
        let answer = call(&caller, &body, |call| ecs::perform("DescribeTasks", call, &mut service));
        let answer = answer.expect("an operation").map_err(|error| error.to_string())?;
        Ok::<_, String>(answer["tasks"].as_array().expect("a list").len())
    };
    let (own, arn) = ("arn:aws:ecs:eu-west-1:123456789012:cluster/prod", |place: &str| {
        format!("arn:{place}/{id}")
    });
    let task = arn("aws:ecs:eu-west-1:123456789012:task/prod");
    for (cluster, task) in [("prod", id), (own, id), ("prod", &task), (own, &task)] {
        assert_eq!(described(cluster, task), Ok(1), "{cluster} {task}");
    }
    for task in [
        arn("aws:ecs:eu-west-1:210987654321:task/prod"),
        arn("aws:ecs:us-east-1:123456789012:task/prod"),
        arn("aws-cn:ecs:eu-west-1:123456789012:task/prod"),
        arn("aws:ecs:eu-west-1:123456789012:task/test"),
        arn("aws:ecs:eu-west-1:123456789012:service/prod"),
        format!("x/{id}"),
    ] {
        assert_eq!(described("prod", &task), Ok(0), "{task}");
    }
    for cluster in [
        "arn:aws:ecs:eu-west-1:210987654321:cluster/prod",
        "arn:aws:ecs:us-east-1:123456789012:cluster/prod",
        "x/prod",
    ] {
        assert_eq!(described(cluster, id), Err("Cluster not found.".to_owned()), "{cluster}");
    }
}
