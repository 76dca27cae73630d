//! An agent of launchd, which begins with the user's login.

use std::env;

use super::{Start, in_xml};
use crate::cli::failure::Failure;

/// Its property list. What ends by itself, with an error, is begun again.
pub(super) fn agent(start: &Start) -> Result<String, Failure> {
    let words = start.words.iter().map(|word| Ok(format!("\t\t{}\n", string(word)?)));
    let words = words.collect::<Result<String, Failure>>()?;
    let settings = start
        .settings
        .iter()
        .map(|(name, value)| Ok(format!("\t\t<key>{}</key>{}\n", in_xml(name)?, string(value)?)));
    let settings = settings.collect::<Result<String, Failure>>()?;
    let home = env::home_dir().and_then(|home| home.to_str().map(str::to_owned));
    let log = match home.filter(|home| !home.is_empty()) {
        Some(home) => {
            let log = string(&format!("{home}/Library/Logs/ssmport.log"))?;
            format!("\t<key>StandardErrorPath</key>{log}\n")
        }
        None => String::new(),
    };
    Ok(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n\
         <dict>\n\
         \t<key>Label</key><string>ssmport</string>\n\
         \t<key>ProgramArguments</key>\n\
         \t<array>\n\
         {words}\
         \t</array>\n\
         \t<key>EnvironmentVariables</key>\n\
         \t<dict>\n\
         {settings}\
         \t</dict>\n\
         \t<key>RunAtLoad</key><true/>\n\
         \t<key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>\n\
         \t<key>ThrottleInterval</key><integer>10</integer>\n\
         {log}\
         </dict>\n\
         </plist>\n"
    ))
}

fn string(text: &str) -> Result<String, Failure> {
    Ok(format!("<string>{}</string>", in_xml(text)?))
}

pub(super) const NEXT: &str = "\
Keep this as ~/Library/LaunchAgents/ssmport.plist; then: launchctl bootstrap gui/$(id -u) \
~/Library/LaunchAgents/ssmport.plist. To be rid of it: launchctl bootout gui/$(id -u)/ssmport";
