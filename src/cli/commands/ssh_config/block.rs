//! The block's text, and where it goes in a file.

use std::{path::Path, str::FromStr, time::Duration};

use crate::cli::{
    failure::{Code, Failure},
    proxy_command::{Destination, Form},
};
use crate::{client::target::Target, malformed::Malformed};

/// `NAME=TARGET`: a name for ssh.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Alias {
    name: String,
    target: String,
}

impl FromStr for Alias {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (name, target) = text.split_once('=').ok_or("an alias is NAME=TARGET")?;
        let is_plain = |c: char| c.is_alphanumeric() || "-._@+".contains(c);
        if name.is_empty() || name.starts_with('-') || !name.chars().all(is_plain) {
            return Err(format!("`{name}` is not a name for a host").into());
        }
        let target = target.parse::<Target>()?.to_string();
        if !target.chars().all(|c| is_plain(c) || "/:,".contains(c)) {
            return Err(format!("ssh takes no host name like `{target}`").into());
        }
        Ok(Self { name: name.to_owned(), target })
    }
}

impl Alias {
    /// One of the configuration file, if ssh takes its name. What has to be looked up is looked up there
    /// each time.
    pub(super) fn of_settings(name: &str, target: &Target) -> Option<Self> {
        // So is whose it is.
        let is_id = matches!(target, Target::Id(_) | Target::InRegion(..));
        let same = || format!("{name}={name}").parse().ok();
        let found: Option<Self> = is_id.then(|| format!("{name}={target}").parse().ok()).flatten();
        found.or_else(same)
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name
    }
}

/// The block, markers included. Each profile has its own.
pub(super) fn block(
    profile: Option<&str>,
    program: &Path,
    options: &[String],
    wait: Option<Duration>,
    aliases: &[Alias],
    form: Form,
) -> Result<String, Failure> {
    // A line break in it is refused with the options.
    let name = profile.map(|profile| format!(" {profile}")).unwrap_or_default();
    let mut lines = vec![format!("# >>> ssmport{name} >>>"), WRITTEN_BY.to_owned()];
    // ssh takes the first value that it finds: an alias goes before the patterns it may match.
    for (index, Alias { name, target }) in aliases.iter().enumerate() {
        if aliases.iter().take(index).any(|other| other.name == *name) {
            return Err(Failure::new(Code::Usage, format!("there are two aliases `{name}`")));
        }
        let command = form.proxy_command(program, options, wait, Destination::Target(target))?;
        lines.push(format!("Host {name}"));
        lines.push(format!("    HostName {target}"));
        lines.push(format!("    ProxyCommand {command}"));
    }
    let command = form.proxy_command(program, options, wait, Destination::HostOfSsh)?;
    lines.push(format!("Host {NODES}"));
    lines.push(format!("    ProxyCommand {command}"));
    lines.extend([TO_ALL_HOSTS.to_owned(), format!("# <<< ssmport{name} <<<")]);
    Ok(lines.join("\n") + "\n")
}

/// A file's text with `block` in it: in the place of an older one of the same profile, else at the top. There it wins
/// over a `ProxyCommand` or `ProxyJump` for all hosts, whatever section that stands in; and since
/// the block ends with `Host *`, what stood at the top of the file, outside of any section, still
/// holds for all hosts. An error says what is wrong with an older block.
pub(crate) fn installed(before: &str, block: &str) -> Result<String, Malformed> {
    let (first, last) = (block.lines().next(), block.lines().last());
    let marks = (first.unwrap_or_default(), last.unwrap_or_default());
    let Some((start, end)) = older_block(before, marks)? else {
        let (mark, rest) = match before.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => (BYTE_ORDER_MARK, rest),
            None => ("", before),
        };
        let distance = if rest.is_empty() { "" } else { "\n" };
        return Ok([mark, block, distance, rest].concat());
    };
    let (above, rest) = before.split_at_checked(start).unwrap_or((before, ""));
    let below = rest.get(end.saturating_sub(start)..).unwrap_or_default();
    Ok([above, block, below].concat())
}

/// Where the older block is, in bytes, its last line feed included.
fn older_block(
    text: &str,
    (begin, end): (&str, &str),
) -> Result<Option<(usize, usize)>, Malformed> {
    let mut begins = Vec::new();
    let mut ends = Vec::new();
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let bare = if at == 0 { line.trim_start_matches(BYTE_ORDER_MARK) } else { line };
        let number = index + 1;
        if bare.trim() == begin {
            begins.push((at + line.len() - bare.len(), number));
        } else if bare.trim() == end {
            ends.push((at + line.len(), number));
        }
        at += line.len();
    }
    match (&begins[..], &ends[..]) {
        ([], []) => Ok(None),
        (&[(start, _)], &[(end, _)]) if start < end => Ok(Some((start, end))),
        (&[(_, number)], []) => Err(format!("line {number} begins a block that has no end").into()),
        ([], &[(_, number)]) => {
            Err(format!("line {number} ends a block that has no beginning").into())
        }
        _ => {
            let mut numbers: Vec<usize> = begins.iter().chain(&ends).map(|mark| mark.1).collect();
            numbers.sort_unstable();
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            Err(format!("lines {} are marks of more than one block", numbers.join(", ")).into())
        }
    }
}

/// What instances and managed nodes are called.
const NODES: &str = "i-* mi-*";
const WRITTEN_BY: &str = "# Written by `ssmport ssh-config --install`, which replaces all of it.";
const TO_ALL_HOSTS: &str = "# What follows holds for all hosts again.\nHost *";
const BYTE_ORDER_MARK: &str = "\u{feff}";

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(program: &str) -> String {
        block(None, Path::new(program), &[], None, &[], Form::Unix).unwrap()
    }

    const BEGIN: &str = "# >>> ssmport >>>";
    const END: &str = "# <<< ssmport <<<";

    #[test]
    fn the_block_reads_as_documented() {
        let options = ["--region", "eu-west-1"].map(str::to_owned);
        let aliases = ["web=i-0123456789abcdef0".parse().unwrap()];
        let written =
            block(None, Path::new("/opt/my tools/ssmport"), &options, None, &aliases, Form::Unix);
        let expected = "\
# >>> ssmport >>>
# Written by `ssmport ssh-config --install`, which replaces all of it.
Host web
    HostName i-0123456789abcdef0
    ProxyCommand '/opt/my tools/ssmport' --region eu-west-1 proxy i-0123456789abcdef0 %p
Host i-* mi-*
    ProxyCommand '/opt/my tools/ssmport' --region eu-west-1 proxy '%h' %p
# What follows holds for all hosts again.
Host *
# <<< ssmport <<<
";
        assert_eq!(written.unwrap(), expected);
        let windows =
            block(None, Path::new(r"C:\Program Files\x.exe"), &[], None, &[], Form::Windows)
                .unwrap();
        assert!(windows.contains("    ProxyCommand \"C:/Program Files/x.exe\" proxy %h %p\n"));
    }

    #[test]
    fn a_new_block_stands_at_the_top_and_moves_nothing() {
        let block = sample("/usr/bin/ssmport");
        assert_eq!(installed("", &block).unwrap(), block);
        for before in ["Host a", "User me\r\n\r\nHost *\r\n\tProxyJump b\r\n", "\n\n# x\n\n"] {
            let after = installed(before, &block).unwrap();
            assert_eq!(after, format!("{block}\n{before}"));
            assert_eq!(installed(&after, &block).unwrap(), after);
        }
        let marked = installed("\u{feff}User me\n", &block).unwrap();
        assert_eq!(marked, format!("\u{feff}{block}\nUser me\n"));
        assert_eq!(installed(&marked, &block).unwrap(), marked);
    }

    #[test]
    fn an_older_block_is_replaced_where_it_stands() {
        let (old, new) = (sample("/old/ssmport"), sample("/new/longer/ssmport"));
        for (above, below) in
            [("", ""), ("Host a\n", "Host b"), ("", "\n\nUser x\n"), ("µ\r\n", "")]
        {
            let before = format!("{above}{old}{below}");
            assert_eq!(installed(&before, &new).unwrap(), format!("{above}{new}{below}"));
            // Marks that an editor has indented or given other line ends are marks all the same.
            let edited = before.replace(&format!("{END}\n"), &format!("\t{END} \r\n"));
            assert_eq!(installed(&edited, &new).unwrap(), format!("{above}{new}{below}"));
        }
        let cut = old.trim_end();
        assert_eq!(installed(cut, &new).unwrap(), new);
    }

    #[test]
    fn blocks_of_several_profiles_stand_side_by_side() {
        let of = |profile, program: &str| {
            block(Some(profile), Path::new(program), &[], None, &[], Form::Unix).unwrap()
        };
        let (plain, prod, dev) = (sample("/x"), of("prod", "/x"), of("dev", "/x"));
        let both = installed(&installed(&installed("", &plain).unwrap(), &prod).unwrap(), &dev);
        assert_eq!(both.as_deref(), Ok(&*format!("{dev}\n{prod}\n{plain}")));
        let newer = of("prod", "/newer");
        let replaced = installed(&both.unwrap(), &newer);
        assert_eq!(replaced, Ok(format!("{dev}\n{newer}\n{plain}")));
    }

    #[test]
    fn aliases_of_the_settings_lead_where_these_say_when_ssh_is_run() {
        for (name, target, expected) in [
            ("db", "i-0123456789abcdef0", Some("i-0123456789abcdef0")),
            ("db", "i-0123456789abcdef0--eu-west-1", Some("i-0123456789abcdef0--eu-west-1")),
            ("db", "tag:Role=db", Some("db")),
            ("db", "web", Some("db")),
            ("a b", "web", None),
        ] {
            let alias = Alias::of_settings(name, &target.parse().unwrap());
            assert_eq!(alias.as_ref().map(|alias| &*alias.target), expected, "{name}={target}");
        }
    }

    #[test]
    fn half_a_block_and_two_blocks_are_refused() {
        let block = sample("/usr/bin/ssmport");
        for (before, why) in [
            (format!("a\n{BEGIN}\nb\n"), "line 2 begins a block that has no end"),
            (format!("a\nb\n{END}"), "line 3 ends a block that has no beginning"),
            (format!("{END}\n{BEGIN}\n"), "lines 1, 2 are marks of more than one block"),
            (format!("{BEGIN}\n{BEGIN}\n{END}\n"), "lines 1, 2, 3 are marks of more than one"),
            (format!("{block}{block}"), "more than one block"),
        ] {
            let said = installed(&before, &block).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn aliases_are_names_of_targets() {
        let alias = "web-1.prod=local".parse::<Alias>().unwrap();
        assert_eq!((&*alias.name, &*alias.target), ("web-1.prod", "local"));
        for text in [
            "web",
            "=local",
            "web=",
            "web=i-nowhere",
            "-o=local",
            "a b=local",
            "*=local",
            "!a=local",
        ] {
            assert!(text.parse::<Alias>().is_err(), "{text}");
        }
        assert!(
            "a=ecs:my cluster_t_r"
                .parse::<Alias>()
                .unwrap_err()
                .to_string()
                .contains("no host name")
        );
        let twice = ["a=local", "a=local"].map(|text| text.parse().unwrap());
        let failure = block(None, Path::new("/x"), &[], None, &twice, Form::Unix).unwrap_err();
        assert_eq!(failure.code, Code::Usage);
    }
}
