//! The `ProxyCommand` by which OpenSSH reaches a node: `ssmport proxy TARGET PORT`, quoted.
//!
//! Three readers take the line apart, one after the other. ssh_config(5) wants its own quotes
//! (`"`, `'`, and `\` before either of them) in pairs, and replaces `%h`, `%p` and `%%`. Then, on
//! Unix, the user's shell runs what is left; on Windows CreateProcess does, without a shell, or, for the
//! ssh that comes with Git, its `sh`, which takes a backslash outside of quotes for its own.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;

use super::{args::Global, failure::Failure};

/// Whose rules of quoting hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Form {
    /// A shell runs the command: bash, zsh, fish, csh and their kin.
    Unix,
    /// OpenSSH for Windows runs it, without a shell.
    Windows,
}

/// What the proxy is to connect to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Destination<'a> {
    /// The host that ssh is asked for, after `HostName` has had its say.
    HostOfSsh,
    /// This target, whatever ssh calls it.
    Target(&'a str),
}

impl Form {
    /// That of this system.
    pub(super) const HERE: Self = if cfg!(windows) { Self::Windows } else { Self::Unix };

    /// The value of a `ProxyCommand` line, or what cannot be written there.
    pub(super) fn proxy_command(
        self,
        program: &Path,
        options: &[String],
        wait: Option<Duration>,
        destination: Destination<'_>,
    ) -> Result<String, Failure> {
        let program = program.to_str().ok_or_else(|| unwritable(&program.to_string_lossy()))?;
        let mut words = vec![self.program(program)?];
        for option in options {
            words.push(self.word(option)?);
        }
        words.push("proxy".to_owned());
        words.extend(wait.map(|time| format!("--wait={}", in_words(time))));
        words.push(match (destination, self) {
            (Destination::Target(target), _) => self.word(target)?,
            // Before version 9.6 ssh takes a host name such as `i-$(reboot)`, which a link may hold. The
            // quotes keep out all but a quote itself, which only later versions refuse.
            (Destination::HostOfSsh, Self::Unix) => "'%h'".to_owned(),
            (Destination::HostOfSsh, Self::Windows) => "%h".to_owned(),
        });
        words.push("%p".to_owned());
        Ok(words.join(" "))
    }

    /// The program's file. Windows knows it by slashes too, which no shell there takes for its own; it
    /// cannot be quoted for that (see [`windows_word`]).
    fn program(self, path: &str) -> Result<String, Failure> {
        match self {
            Self::Unix => self.word(path),
            Self::Windows => self.word(&path.replace('\\', "/")),
        }
    }

    /// `text` as one word that means nothing but itself.
    fn word(self, text: &str) -> Result<String, Failure> {
        if text.chars().any(char::is_control) {
            return Err(unwritable(text));
        }
        let quoted = match self {
            Self::Unix => unix_word(text),
            Self::Windows => windows_word(text),
        };
        Ok(quoted.replace('%', "%%"))
    }
}

/// The options that a proxy started by ssh is to have of those that were given to us.
pub(super) fn passed_on(global: &Global) -> Vec<String> {
    let mut options = Vec::new();
    for (name, value) in [
        ("--profile", &global.profile),
        ("--region", &global.region),
        ("--mfa-serial", &global.mfa.serial),
    ] {
        if let Some(value) = value {
            options.extend([name.to_owned(), value.clone()]);
        }
    }
    let times = [
        ("--dead-after", global.dead_after),
        ("--resume-for", global.resume_for),
        ("--answer-within", global.answer_within),
    ];
    for (name, time) in times.into_iter().filter_map(|(name, time)| Some((name, time?))) {
        options.extend([name.to_owned(), in_words(time)]);
    }
    for (name, value) in global.endpoints.options() {
        options.extend([name.to_owned(), value.clone()]);
    }
    // ssh may run it elsewhere.
    let trace = global.trace.as_deref().and_then(|path| std::path::absolute(path).ok());
    if let Some(path) = trace.as_deref().and_then(Path::to_str) {
        options.extend(["--trace".to_owned(), path.to_owned()]);
        options.extend(global.trace_payloads.then(|| "--trace-payloads".to_owned()));
    }
    options
}

/// As options take it.
fn in_words(time: Duration) -> String {
    humantime::format_duration(time).to_string().replace(' ', "")
}

/// This program's file.
pub(super) fn this_program() -> Result<PathBuf, Failure> {
    env::current_exe()
        .map_err(|error| Failure::local("cannot tell where ssmport itself is").because(error))
}

/// This program by the name that outlives an update, where there is one: package managers put a
/// link onto the PATH, and the file that it leads to goes with its version.
pub(super) fn lasting_program() -> Result<PathBuf, Failure> {
    let program = this_program()?;
    let path = env::var_os("PATH").unwrap_or_default();
    let name = program.file_name().unwrap_or(program.as_os_str()).to_owned();
    let mut candidates = env::split_paths(&path).map(|folder| folder.join(&name));
    let link = candidates.find(|link| {
        link.is_absolute() && link.canonicalize().is_ok_and(|leads_to| leads_to == program)
    });
    Ok(link.unwrap_or(program))
}

/// In single quotes where need be. Quotes, backslashes and exclamation marks stand outside of them
/// with a backslash: in single quotes fish reads a backslash, csh an exclamation mark, and
/// ssh_config(5) a backslash before a quote.
fn unix_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+,-./:@_".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut word = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' | '!' => word.extend(["'\\", c.encode_utf8(&mut [0; 4]), "'"]),
            c => word.push(c),
        }
    }
    word.push('\'');
    word
}

/// In double quotes where need be, as programs' own reading of their command line has it: a
/// backslash means itself unless a quote follows. Quotes that are not needed are left out, since
/// the ssh of older Windows fails to start a quoted program (error 87). A shell leaves a backslash in
/// quotes alone unless another one or a quote follows.
pub(super) fn windows_word(text: &str) -> String {
    if !text.is_empty() && !text.contains([' ', '"', '\'', '#', '\\']) {
        return text.to_owned();
    }
    let mut word = String::from("\"");
    let mut backslashes = 0;
    for c in text.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                word.push_str(&"\\".repeat(backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        word.push(c);
    }
    word.push_str(&"\\".repeat(backslashes));
    word.push('"');
    word
}

fn unwritable(text: &str) -> Failure {
    let what = format!("`{}` cannot be written into a ProxyCommand", text.escape_debug());
    Failure::local(what).because("it has control characters, or is not Unicode")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_stay_as_they_are() {
        let command = |form: Form, program: &str| {
            form.proxy_command(Path::new(program), &[], None, Destination::HostOfSsh).unwrap()
        };
        assert_eq!(command(Form::Unix, "/usr/bin/ssmport"), "/usr/bin/ssmport proxy '%h' %p");
        assert_eq!(
            command(Form::Windows, r"C:\tools\ssmport.exe"),
            "C:/tools/ssmport.exe proxy %h %p"
        );
        assert_eq!(
            command(Form::Windows, r"C:\Program Files\ssmport.exe"),
            r#""C:/Program Files/ssmport.exe" proxy %h %p"#
        );
    }

    #[test]
    fn windows_words_are_quoted_where_need_be() {
        for (text, expected) in [
            (r"C:\Program Files\ssmport.exe", r#""C:\Program Files\ssmport.exe""#),
            (r"C:\Users\O'Neil\ssmport.exe", r#""C:\Users\O'Neil\ssmport.exe""#),
            (r"C:\logs\%p.trace", r#""C:\logs\%%p.trace""#),
            ("eu-west-1", "eu-west-1"),
            ("", r#""""#),
            (r#"a "b" \"c\"#, r#""a \"b\" \\\"c\\""#),
        ] {
            assert_eq!(Form::Windows.word(text).unwrap(), expected);
        }
    }

    #[test]
    fn what_no_line_can_hold_is_refused() {
        for form in [Form::Unix, Form::Windows] {
            for text in ["a\nb", "a\0b", "a\tb", "\u{85}"] {
                assert!(form.word(text).unwrap_err().what.contains("cannot be written"));
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn shells_read_every_word_as_it_was_meant() {
        let mut words: Vec<String> = ODD_WORDS.iter().map(|&word| word.to_owned()).collect();
        words.push((' '..='~').collect());
        words.push((' '..='~').rev().collect());
        words.push("µ%h 日本".to_owned());
        let command =
            Form::Unix.proxy_command(Path::new("printf"), &words, None, Destination::Target("t"));
        // The first word is printf's format.
        let command = command.unwrap().replacen("printf", r"printf %s\\n", 1).replace("%%", "%");
        for shell in ["sh", "bash", "dash", "zsh", "fish", "tcsh"] {
            let ran = std::process::Command::new(shell).args(["-c", &command]).output();
            let Ok(ran) = ran else { continue };
            let said = String::from_utf8(ran.stdout).unwrap();
            let expected = format!("{}\nproxy\nt\n%p\n", words.join("\n"));
            assert_eq!(said, expected, "{shell}: {command}");
        }
    }

    #[cfg(unix)]
    const ODD_WORDS: [&str; 9] = [
        "",
        "it's",
        r"back\slash\",
        r"\'",
        "$HOME `id` $(id)",
        "~ # ; | & < > ( ) { } [ ] * ?",
        "!! !$ \"quoted\"",
        "100% %h %%",
        " spaces ",
    ];
}
