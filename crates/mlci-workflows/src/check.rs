use std::collections::HashSet;

use crate::{Error, Pipeline, Result, Trigger, VariableValue, pipeline::Job};

/// Words that GitLab takes for something else than a job (CI/CD YAML syntax reference, "Unavailable names for jobs"),
/// as far as a label can spell them.
const GITLAB_RESERVED: [&str; 14] = [
    "cache",
    "default",
    "false",
    "image",
    "include",
    "nil",
    "pages",
    "services",
    "spec",
    "stages",
    "true",
    "types",
    "variables",
    "workflow",
];

impl Pipeline {
    /// Says whether the pipeline can be rendered for every system, safely: names are legal everywhere, needs are known,
    /// jobs that run code of strangers have neither secrets nor environments, and every job that waits for an approval
    /// has something verified before it.
    ///
    /// # Errors
    /// The first rule that is broken, with the job and what to do.
    pub fn check(&self) -> Result<()> {
        if self.jobs.is_empty() {
            return Err(Error::Empty { what: "job" });
        }
        if self.program.is_empty() {
            return Err(Error::Empty { what: "program to call" });
        }
        for word in &self.program {
            comment("the program's word", word)?;
        }
        branch(&self.default_branch)?;
        for words in &self.setup {
            command("a setup command", words)?;
        }
        for variable in &self.variables {
            name("the variable", &variable.name)?;
            match &variable.value {
                VariableValue::Text(value) => no_nul(&format!("the value of {}", variable.name), value)?,
                VariableValue::InCheckout(value) => path(&format!("the path of {}", variable.name), value)?,
            }
        }
        self.check_caches()?;
        if let Some(report) = &self.report {
            path("the report's page", &report.page)?;
            path("the report's summary", &report.summary)?;
        }
        machine("the GitHub runner", &self.machine.github_runner)?;
        machine("the image", &self.machine.image)?;
        if let Some(label) = &self.machine.jenkins_label {
            machine("the Jenkins label", label)?;
        }
        for (index, job) in self.jobs.iter().enumerate() {
            self.check_job(job, &self.jobs[..index])?;
        }
        Ok(())
    }

    fn check_caches(&self) -> Result<()> {
        // GitLab's limits: four caches a job, two key files a cache.
        number("the number of caches", self.caches.len(), 0, 4)?;
        let mut names = HashSet::new();
        for cache in &self.caches {
            number(&format!("the number of key files of cache `{}`", cache.name), cache.key_files.len(), 1, 2)?;
            number(&format!("the number of folders of cache `{}`", cache.name), cache.folders.len(), 1, usize::MAX)?;
            for file in cache.key_files.iter().chain(&cache.folders) {
                path(&format!("the path in cache `{}`", cache.name), file)?;
            }
            if !names.insert(&cache.name) {
                let rule = "another cache has this name";
                return Err(Error::Text { what: "the cache".to_owned(), text: cache.name.to_string(), rule });
            }
        }
        Ok(())
    }

    fn check_job(&self, job: &Job, before: &[Job]) -> Result<()> {
        self.check_job_name(job, before)?;
        if job.calls.is_empty() {
            return Err(Error::Empty { what: "call in a job" });
        }
        for call in &job.calls {
            command(&format!("a call of job `{}`", job.name), call)?;
        }
        for secret in &job.secrets {
            name(&format!("the secret of job `{}`", job.name), secret)?;
            if secret.starts_with("GITHUB_") {
                let (what, text) = (format!("the secret of job `{}`", job.name), secret.clone());
                return Err(Error::Text { what, text, rule: "GitHub keeps names that begin with GITHUB_ for itself" });
            }
        }
        for folder in &job.hands_over {
            path(&format!("the folder that job `{}` hands over", job.name), folder)?;
            for cache in &self.caches {
                if cache.folders.iter().any(|cached| holds(cached, folder) || holds(folder, cached)) {
                    let (cache, folder, job) = (cache.name.clone(), folder.clone(), job.name.clone());
                    return Err(Error::CachedState { cache, folder, job });
                }
            }
        }
        number(&format!("the timeout of job `{}` in minutes", job.name), job.timeout_minutes as usize, 1, 1440)?;
        for need in &job.needs {
            let Some(needed) = before.iter().find(|other| other.name == *need) else {
                return Err(Error::UnknownNeed { job: job.name.clone(), needs: need.clone() });
            };
            if job.trigger == Trigger::EveryChange && needed.trigger == Trigger::DefaultBranch {
                let asks = format!("needs `{need}`, which does not");
                return Err(Error::Untrusted { job: job.name.clone(), asks });
            }
        }
        if let Some(environment) = &job.environment {
            if let Some(address) = &environment.url {
                url(&format!("the address of environment `{}`", environment.name), address)?;
            }
            if environment.approval && job.needs.is_empty() {
                return Err(Error::NothingToApprove { job: job.name.clone() });
            }
        }
        if job.trigger == Trigger::EveryChange {
            let asks = match (&job.environment, job.secrets.first()) {
                (Some(environment), _) => format!("deploys to `{}`", environment.name),
                (None, Some(secret)) => format!("asks for the secret `{secret}`"),
                (None, None) => return Ok(()),
            };
            return Err(Error::Untrusted { job: job.name.clone(), asks });
        }
        Ok(())
    }

    fn check_job_name(&self, job: &Job, before: &[Job]) -> Result<()> {
        let bad = |rule| Err(Error::JobName { job: job.name.clone(), rule });
        let text = job.name.as_str();
        if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
            return bad("a GitHub job begins with a letter");
        }
        if GITLAB_RESERVED.contains(&text) {
            return bad("GitLab keeps this word for itself");
        }
        if before.iter().any(|other| other.name == job.name) {
            return bad("another job has this name");
        }
        let gate = |other: &Job| other.waits().is_some() && text.strip_prefix("approve-") == Some(other.name.as_str());
        if self.jobs.iter().any(gate) {
            return bad("the step that waits for the approval of another job has this name");
        }
        Ok(())
    }
}

/// Whether `inner` is `outer` or lies below it.
fn holds(outer: &str, inner: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn text_error<T>(what: &str, text: &str, rule: &'static str) -> Result<T> {
    Err(Error::Text { what: what.to_owned(), text: text.to_owned(), rule })
}

fn number(what: &str, value: usize, least: usize, most: usize) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::Number { what: what.to_owned(), value, least, most })
}

/// Any word can be quoted but one that no process can be given.
fn no_nul(what: &str, text: &str) -> Result<()> {
    if text.contains('\0') { text_error(what, text, "no program can be given a zero byte") } else { Ok(()) }
}

fn command(what: &str, words: &[String]) -> Result<()> {
    if words.is_empty() {
        return Err(Error::Empty { what: "word in a command" });
    }
    words.iter().try_for_each(|word| no_nul(what, word))
}

/// The program's words also stand in the comment at the top, which must not end early: not at a line end of any
/// system's (YAML 1.1 has five), and not by an escape that Groovy reads in comments too.
fn comment(what: &str, text: &str) -> Result<()> {
    let ends = |character: char| {
        character.is_control()
            || matches!(character, '\\' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    if text.is_empty() || text.contains(ends) {
        return text_error(what, text, "it stands in a comment: use printable characters without backslashes");
    }
    Ok(())
}

/// Safe as a pattern too: GitHub, Jenkins and CircleCI match branches by pattern, GitLab by an expression.
fn branch(text: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if text.is_empty() || text.starts_with(['-', '/']) || !text.bytes().all(plain) {
        return text_error("the default branch", text, "use ASCII letters, digits and `-_./`, a letter or digit first");
    }
    Ok(())
}

/// Safe in lists of patterns, which is where all systems have paths.
fn path(what: &str, text: &str) -> Result<()> {
    let part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.starts_with('-')
            && part.chars().all(|character| character.is_alphanumeric() || "-_.+".contains(character))
    };
    if text.split('/').all(part) {
        return Ok(());
    }
    text_error(what, text, "use a path below the checkout, of letters, digits and `-_.+`, with single `/` between")
}

fn name(what: &str, text: &str) -> Result<()> {
    let head = text.starts_with(|first: char| first.is_ascii_uppercase() || first == '_');
    if head && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
        return Ok(());
    }
    text_error(what, text, "use upper-case ASCII letters, digits and `_`, not a digit first")
}

fn machine(what: &str, text: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return Ok(());
    }
    text_error(what, text, "use ASCII letters, digits and `-_./:@`")
}

fn url(what: &str, text: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/:@?&=+%,;#[]".contains(&byte);
    let scheme = text.starts_with("https://") || text.starts_with("http://");
    if scheme && text.bytes().all(plain) {
        return Ok(());
    }
    text_error(what, text, "use a whole address with http:// or https://, other characters percent-encoded")
}

#[cfg(test)]
mod tests;
