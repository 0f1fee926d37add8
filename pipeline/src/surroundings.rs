//! Reads the commit, its addresses and the run from the environment variables of a pipeline's service.

use serde::{Deserialize, Serialize};
use url::Url;

/// The most characters of an address and of a ref.
const URL_MAX: usize = 2_000;
const REF_MAX: usize = 255;

/// The origin of a package or a release, as in the server's input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub commit: Option<String>,
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    pub repository_url: Option<String>,
    pub commit_url: Option<String>,
    pub pull_request_url: Option<String>,
    pub build_url: Option<String>,
}

impl Source {
    /// Whether nothing is known of the origin.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This source, with each field that `given` has replaced by that one's. The address of a commit is left out if `given`
    /// names another commit.
    #[must_use]
    pub fn overridden(self, given: Self) -> Self {
        let is_same = match (&self.commit, &given.commit) {
            (_, None) => true,
            (None, Some(_)) => false,
            // A commit may be given by the beginning of its hash.
            (Some(own), Some(given)) => !given.is_empty() && own.to_lowercase().starts_with(&given.to_lowercase()),
        };
        Self {
            commit: given.commit.or(self.commit),
            reference: given.reference.or(self.reference),
            repository_url: given.repository_url.or(self.repository_url),
            commit_url: given.commit_url.or(self.commit_url.filter(|_| is_same)),
            pull_request_url: given.pull_request_url.or(self.pull_request_url),
            build_url: given.build_url.or(self.build_url),
        }
    }
}

/// A run of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The id of the run. It stays the same when a job of the run is repeated.
    pub id: Option<String>,
    pub source: Source,
}

/// Reads the variables of the service in which the program runs. Values that the server would refuse, such as an
/// address without TLS, are left out.
pub fn read(variable: impl Fn(&str) -> Option<String>) -> Run {
    let get = |name: &str| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let Run { id, source } = if get("GITHUB_ACTIONS").is_some() {
        github(get)
    } else if get("GITLAB_CI").is_some() {
        gitlab(get)
    } else if get("TF_BUILD").is_some() {
        azure(get)
    } else if get("BITBUCKET_BUILD_NUMBER").is_some() {
        bitbucket(get)
    } else if get("JENKINS_URL").is_some() || get("BUILD_TAG").is_some_and(|tag| tag.starts_with("jenkins-")) {
        jenkins(get)
    } else {
        Run::default()
    };
    Run { id, source: fit(source) }
}

fn github(get: impl Fn(&str) -> Option<String>) -> Run {
    let repository = get("GITHUB_SERVER_URL").zip(get("GITHUB_REPOSITORY")).map(|(url, name)| format!("{url}/{name}"));
    let within = |path: String| repository.as_ref().map(|repository| format!("{repository}/{path}"));
    let commit = get("GITHUB_SHA");
    let run = get("GITHUB_RUN_ID");
    let pull_request = get("GITHUB_REF").and_then(|text| {
        let number = text.strip_prefix("refs/pull/")?.split('/').next()?.to_owned();
        within(format!("pull/{number}"))
    });
    Run {
        id: run.as_ref().and_then(|run| within(format!("actions/runs/{run}"))),
        source: Source {
            commit_url: commit.as_ref().and_then(|commit| within(format!("commit/{commit}"))),
            build_url: run.and_then(|run| within(format!("actions/runs/{run}"))),
            pull_request_url: pull_request,
            // For a pull request this is the branch to be merged.
            reference: get("GITHUB_HEAD_REF").or_else(|| get("GITHUB_REF_NAME")),
            commit,
            repository_url: repository,
        },
    }
}

fn gitlab(get: impl Fn(&str) -> Option<String>) -> Run {
    let repository = get("CI_PROJECT_URL");
    let within = |path: String| repository.as_ref().map(|repository| format!("{repository}/-/{path}"));
    let commit = get("CI_COMMIT_SHA");
    // The pipeline identifies the run, because a repeated job has another id.
    let pipeline = get("CI_PIPELINE_URL").or_else(|| within(format!("pipelines/{}", get("CI_PIPELINE_ID")?)));
    let request = get("CI_MERGE_REQUEST_PROJECT_URL").zip(get("CI_MERGE_REQUEST_IID"));
    Run {
        id: pipeline.clone(),
        source: Source {
            commit_url: commit.as_ref().and_then(|commit| within(format!("commit/{commit}"))),
            pull_request_url: request.map(|(project, number)| format!("{project}/-/merge_requests/{number}")),
            build_url: pipeline,
            reference: get("CI_COMMIT_REF_NAME"),
            commit,
            repository_url: repository,
        },
    }
}

fn azure(get: impl Fn(&str) -> Option<String>) -> Run {
    let repository = get("BUILD_REPOSITORY_URI");
    let within = |path: String| repository.as_ref().map(|repository| format!("{repository}/{path}"));
    let commit = get("BUILD_SOURCEVERSION");
    let is_github = get("BUILD_REPOSITORY_PROVIDER").is_some_and(|name| name.starts_with("GitHub"));
    let build = get("SYSTEM_COLLECTIONURI").zip(get("SYSTEM_TEAMPROJECT")).zip(get("BUILD_BUILDID"));
    let build = build.map(|((collection, project), id)| {
        format!("{}/{project}/_build/results?buildId={id}", collection.trim_end_matches('/'))
    });
    let request = get("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER").or_else(|| get("SYSTEM_PULLREQUEST_PULLREQUESTID"));
    let branch = get("SYSTEM_PULLREQUEST_SOURCEBRANCH").or_else(|| get("BUILD_SOURCEBRANCH"));
    Run {
        id: build.clone(),
        source: Source {
            commit_url: commit.as_ref().and_then(|commit| within(format!("commit/{commit}"))),
            pull_request_url: request
                .and_then(|number| within(format!("{}/{number}", if is_github { "pull" } else { "pullrequest" }))),
            build_url: build,
            reference: branch.map(|name| short(&name)),
            commit,
            repository_url: repository,
        },
    }
}

fn bitbucket(get: impl Fn(&str) -> Option<String>) -> Run {
    let repository = get("BITBUCKET_REPO_FULL_NAME").map(|name| format!("https://bitbucket.org/{name}"));
    let within = |path: String| repository.as_ref().map(|repository| format!("{repository}/{path}"));
    let commit = get("BITBUCKET_COMMIT");
    let build = get("BITBUCKET_BUILD_NUMBER").and_then(|number| within(format!("pipelines/results/{number}")));
    Run {
        id: build.clone(),
        source: Source {
            commit_url: commit.as_ref().and_then(|commit| within(format!("commits/{commit}"))),
            pull_request_url: get("BITBUCKET_PR_ID").and_then(|number| within(format!("pull-requests/{number}"))),
            build_url: build,
            reference: get("BITBUCKET_BRANCH").or_else(|| get("BITBUCKET_TAG")),
            commit,
            repository_url: repository,
        },
    }
}

fn jenkins(get: impl Fn(&str) -> Option<String>) -> Run {
    // A multibranch job has names of the branch without a remote. They are better than GIT_BRANCH.
    let branch = get("CHANGE_BRANCH").or_else(|| get("BRANCH_NAME"));
    let branch = branch.or_else(|| get("GIT_BRANCH").map(|name| name.trim_start_matches("origin/").to_owned()));
    Run {
        id: get("BUILD_URL").or_else(|| get("BUILD_TAG")),
        source: Source {
            commit: get("GIT_COMMIT"),
            reference: branch.map(|name| short(&name)),
            repository_url: get("GIT_URL"),
            commit_url: None,
            pull_request_url: get("CHANGE_URL"),
            build_url: get("BUILD_URL"),
        },
    }
}

/// The short name of a branch or tag: `main` for `refs/heads/main`.
fn short(reference: &str) -> String {
    let found = ["refs/heads/", "refs/tags/"].iter().find_map(|prefix| reference.strip_prefix(prefix));
    found.unwrap_or(reference).to_owned()
}

/// Leaves out the values that the server would refuse.
fn fit(source: Source) -> Source {
    let is_commit = |text: &String| text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_ref = |text: &String| text.chars().count() <= REF_MAX && !text.contains(char::is_control);
    Source {
        commit: source.commit.filter(is_commit),
        reference: source.reference.filter(is_ref),
        repository_url: source.repository_url.and_then(address).map(|url| url.trim_end_matches(".git").to_owned()),
        commit_url: source.commit_url.and_then(|url| address(url.replace(".git/commit/", "/commit/"))),
        pull_request_url: source.pull_request_url.and_then(|url| address(url.replace(".git/pull", "/pull"))),
        build_url: source.build_url.and_then(address),
    }
}

/// An https address without its user and password; `None` for any other text.
fn address(text: String) -> Option<String> {
    let mut url = Url::parse(&text).ok().filter(|url| url.scheme() == "https")?;
    // Both succeed for an address with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(url.to_string()).filter(|text| text.chars().count() <= URL_MAX)
}
