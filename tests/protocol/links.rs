//! The documents lead their readers somewhere: behind each link there is a file, and the heading in it.

use std::{
    collections::HashMap,
    fs,
    path::{Component, Path, PathBuf},
};

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let pages = pages();
    let links: usize = pages.iter().map(|page| page.links().len()).sum();
    assert!(links > 60, "{links} links in {} pages: they were not found", pages.len());
    let exists = |path: &Path| root().join(path).exists();
    let broken: Vec<_> = pages.iter().flat_map(|page| broken(page, &pages, exists)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_readme_lists_every_page_of_the_documentation() {
    let pages = pages();
    let readme = pages.iter().find(|page| page.path == Path::new("README.md")).expect("the README");
    let listed: Vec<_> = readme.links().iter().filter_map(|link| readme.leads_to(link)).collect();
    let documentation = pages.iter().filter(|page| page.path.starts_with("docs"));
    let missing: Vec<_> = documentation.filter(|page| !listed.contains(&page.path)).collect();
    assert!(missing.is_empty(), "not in README.md: {missing:?}");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let page = |path: &str, text: &str| Page { path: path.into(), text: text.to_owned() };
    let other =
        page("docs/b.md", "# B\n```sh\n# no heading\n```\n## `x`, and y_z\n## 자주 묻는\n### B\n");
    let exists = |path: &Path| path == Path::new("docs/b.md") || path == Path::new("LICENSE");
    let verdict = |text: &str| {
        let page = page("docs/a.md", &format!("# A\n{text}\n"));
        let pages = [page, Page { path: other.path.clone(), text: other.text.clone() }];
        broken(&pages[0], &pages, exists).join(", ")
    };
    for good in [
        "[b](b.md), [x](b.md#x-and-y_z), [again](b.md#b-1) and [한](b.md#자주-묻는)",
        "[up](../LICENSE), [here](#a), ![in a line](b.md \"title\"), [`code`](b.md)",
        "[web](https://example.org/none#at-all), `[code](none.md)`\n\n```\n[none](none.md)\n```",
    ] {
        assert_eq!(verdict(good), "");
    }
    for (bad, expected) in [
        ("[c](c.md)", "docs/a.md: c.md: there is no such file"),
        ("[up](LICENSE)", "docs/a.md: LICENSE: there is no such file"),
        ("[out](../../b.md)", "docs/a.md: ../../b.md: there is no such file"),
        ("[x](b.md#no-heading)", "docs/a.md: b.md#no-heading: there is no such heading"),
        ("[here](#b)", "docs/a.md: #b: there is no such heading"),
        ("[part](../LICENSE#a)", "docs/a.md: ../LICENSE#a: there is no such heading"),
    ] {
        assert_eq!(verdict(bad), expected);
    }
}

/// What is wrong with the links of a page, a line each.
fn broken(page: &Page, pages: &[Page], exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let problem = |link: &str| {
        let (_, heading) = link.split_once('#').unwrap_or((link, ""));
        let Some(path) = page.leads_to(link).filter(|path| exists(path) || *path == page.path)
        else {
            return Some("file");
        };
        let there = pages.iter().find(|page| page.path == path);
        let is_there = there.is_some_and(|there| there.anchors().iter().any(|a| a == heading));
        (!heading.is_empty() && !is_there).then_some("heading")
    };
    let links = page.links().into_iter().filter(|link| !link.contains("://"));
    let problems = links.filter_map(|link| problem(&link).map(|kind| (link, kind)));
    let line = |(link, kind)| format!("{}: {link}: there is no such {kind}", page.path.display());
    problems.map(line).collect()
}

#[derive(Debug)]
struct Page {
    /// From the project's folder on.
    path: PathBuf,
    text: String,
}

impl Page {
    /// What stands in brackets behind the words of its links. Code has none, which may go on in the next
    /// line, but not in the next paragraph.
    fn links(&self) -> Vec<String> {
        let prose = self.lines().collect::<Vec<_>>().join("\n");
        let without_code = prose.split("\n\n").flat_map(|part| part.split('`').step_by(2));
        let behind = without_code.flat_map(|part| part.split("](").skip(1));
        behind.filter_map(|rest| rest.split([')', ' ']).next()).map(str::to_owned).collect()
    }

    /// The file that a link names; `None` when it is outside of the project.
    fn leads_to(&self, link: &str) -> Option<PathBuf> {
        let file = link.split('#').next().filter(|file| !file.is_empty());
        let Some(file) = file else { return Some(self.path.clone()) };
        let mut path = self.path.parent().unwrap_or(Path::new("")).to_owned();
        for part in Path::new(file).components() {
            match part {
                Component::ParentDir => path.pop().then_some(())?,
                part => path.push(part),
            }
        }
        Some(path)
    }

    /// The names that GitHub gives to its headings.
    fn anchors(&self) -> Vec<String> {
        let mut seen = HashMap::new();
        let headings = self.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|heading| {
                let name = anchor(heading.trim_start_matches('#'));
                let times = seen.entry(name.clone()).and_modify(|times| *times += 1).or_insert(0);
                if *times == 0 { name } else { format!("{name}-{times}") }
            })
            .collect()
    }

    /// Its lines without the blocks of code.
    fn lines(&self) -> impl Iterator<Item = &str> {
        let mut in_code = false;
        self.text.lines().filter(move |line| {
            let is_fence = line.trim_start().starts_with("```") && !line.starts_with("    ");
            in_code ^= is_fence;
            !in_code && !is_fence
        })
    }
}

fn anchor(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The documents at the top, and those of the folders that have some.
fn pages() -> Vec<Page> {
    let folders = ["", "docs", "protocol-docs", "benches"].map(|folder| root().join(folder));
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    let documents = paths.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let page = |path: PathBuf| Page {
        text: fs::read_to_string(&path).expect("a readable document"),
        path: path.strip_prefix(root()).expect("below the root").to_owned(),
    };
    documents.map(page).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
