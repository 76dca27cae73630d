//! A task of Windows, which begins with the user's login.

use std::env;

use super::{Start, in_xml};
use crate::cli::{failure::Failure, proxy_command::windows_word};

/// Its description. It has no encoding: a shell that writes it into a file chooses one, and marks it.
pub(super) fn task(start: &Start) -> Result<String, Failure> {
    let (program, arguments) = start.words.split_first().unzip();
    let arguments: Vec<_> =
        arguments.into_iter().flatten().map(|word| windows_word(word)).collect();
    let (program, arguments) =
        (in_xml(program.map_or("", String::as_str))?, in_xml(&arguments.join(" "))?);
    // One for the login of anybody is an administrator's.
    let user = match (env::var("USERDOMAIN"), env::var("USERNAME")) {
        (Ok(domain), Ok(name)) => {
            format!("<UserId>{}</UserId>", in_xml(&format!("{domain}\\{name}"))?)
        }
        _ => String::new(),
    };
    Ok(format!(
        "<?xml version=\"1.0\"?>\n\
         <Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\n  \
         <RegistrationInfo>\n    \
         <Description>Tunnels through AWS Session Manager</Description>\n  \
         </RegistrationInfo>\n  \
         <Triggers>\n    \
         <LogonTrigger><Enabled>true</Enabled>{user}</LogonTrigger>\n  \
         </Triggers>\n  \
         <Principals>\n    \
         <Principal id=\"Author\">{user}<LogonType>InteractiveToken</LogonType>\
         <RunLevel>LeastPrivilege</RunLevel></Principal>\n  \
         </Principals>\n  \
         <Settings>\n    \
         <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>\n    \
         <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>\n    \
         <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>\n    \
         <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>\n    \
         <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>\n  \
         </Settings>\n  \
         <Actions Context=\"Author\">\n    \
         <Exec><Command>{program}</Command><Arguments>{arguments}</Arguments></Exec>\n  \
         </Actions>\n\
         </Task>\n"
    ))
}

/// What to do with it. A task has no environment of its own, but that of its user.
pub(super) fn next(start: &Start) -> String {
    let settings = start.settings.iter();
    let settings = settings.map(|(name, value)| format!("setx {name} {}", windows_word(value)));
    let settings = match &settings.collect::<Vec<_>>()[..] {
        [] => String::new(),
        all => format!(" It has the settings of your account, so before: {}.", all.join(", ")),
    };
    format!(
        "Keep this as ssmport.xml; then: schtasks /Create /TN ssmport /XML ssmport.xml, schtasks /Run /TN \
         ssmport. To be rid of it: schtasks /Delete /TN ssmport.{settings}"
    )
}
