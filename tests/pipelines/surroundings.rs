//! What pipelines' services say of themselves, and what the command makes of it.

use pipeline::request_id::{Belonging, derived};
use pipeline::surroundings::{Run, Source, read};

fn of(variables: &[(&str, &str)]) -> Run {
    read(|name| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned()))
}

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[test]
fn r68_each_service_tells_its_commit_and_its_run() {
    let github = of(&[
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "northwind/orders"),
        ("GITHUB_SHA", "0f3a"),
        ("GITHUB_REF", "refs/pull/12/merge"),
        ("GITHUB_REF_NAME", "12/merge"),
        ("GITHUB_HEAD_REF", "faster"),
        ("GITHUB_RUN_ID", "7"),
        ("GITHUB_RUN_ATTEMPT", "2"),
    ]);
    assert_eq!(github.id, text("https://github.com/northwind/orders/actions/runs/7"), "of every attempt");
    assert_eq!(
        github.source,
        Source {
            commit: text("0f3a"),
            reference: text("faster"),
            repository_url: text("https://github.com/northwind/orders"),
            commit_url: text("https://github.com/northwind/orders/commit/0f3a"),
            pull_request_url: text("https://github.com/northwind/orders/pull/12"),
            build_url: text("https://github.com/northwind/orders/actions/runs/7"),
        }
    );
    let gitlab = of(&[
        ("GITLAB_CI", "true"),
        ("CI_PROJECT_URL", "https://gitlab.com/northwind/orders"),
        ("CI_COMMIT_SHA", "0f3a"),
        ("CI_COMMIT_REF_NAME", "v1.4.0"),
        ("CI_PIPELINE_URL", "https://gitlab.com/northwind/orders/-/pipelines/7"),
        ("CI_MERGE_REQUEST_PROJECT_URL", "https://gitlab.com/northwind/orders"),
        ("CI_MERGE_REQUEST_IID", "12"),
    ]);
    assert_eq!(gitlab.id, gitlab.source.build_url);
    assert_eq!(
        gitlab.source,
        Source {
            commit: text("0f3a"),
            reference: text("v1.4.0"),
            repository_url: text("https://gitlab.com/northwind/orders"),
            commit_url: text("https://gitlab.com/northwind/orders/-/commit/0f3a"),
            pull_request_url: text("https://gitlab.com/northwind/orders/-/merge_requests/12"),
            build_url: text("https://gitlab.com/northwind/orders/-/pipelines/7"),
        }
    );
    let azure = of(&[
        ("TF_BUILD", "True"),
        ("BUILD_REPOSITORY_URI", "https://northwind@dev.azure.com/northwind/Big%20Orders/_git/orders"),
        ("BUILD_REPOSITORY_PROVIDER", "TfsGit"),
        ("BUILD_SOURCEVERSION", "0f3a"),
        ("BUILD_SOURCEBRANCH", "refs/heads/release/1"),
        ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/northwind/"),
        ("SYSTEM_TEAMPROJECT", "Big Orders"),
        ("BUILD_BUILDID", "7"),
        ("SYSTEM_PULLREQUEST_PULLREQUESTID", "12"),
    ]);
    assert!(azure.id.is_some());
    assert_eq!(
        azure.source,
        Source {
            commit: text("0f3a"),
            reference: text("release/1"),
            repository_url: text("https://dev.azure.com/northwind/Big%20Orders/_git/orders"),
            commit_url: text("https://dev.azure.com/northwind/Big%20Orders/_git/orders/commit/0f3a"),
            pull_request_url: text("https://dev.azure.com/northwind/Big%20Orders/_git/orders/pullrequest/12"),
            build_url: text("https://dev.azure.com/northwind/Big%20Orders/_build/results?buildId=7"),
        }
    );
    let jenkins = of(&[
        ("JENKINS_URL", "https://ci.example.com/"),
        ("GIT_COMMIT", "0f3a"),
        ("GIT_BRANCH", "origin/main"),
        ("GIT_URL", "https://robot:geheim@git.example.com/northwind/orders.git"),
        ("BUILD_URL", "https://ci.example.com/job/orders/7/"),
    ]);
    assert_eq!(jenkins.id, text("https://ci.example.com/job/orders/7/"));
    assert_eq!(jenkins.source.reference, text("main"));
    assert_eq!(jenkins.source.repository_url, text("https://git.example.com/northwind/orders"), "without the password");
    let bitbucket = of(&[
        ("BITBUCKET_BUILD_NUMBER", "7"),
        ("BITBUCKET_REPO_FULL_NAME", "northwind/orders"),
        ("BITBUCKET_COMMIT", "0f3a"),
        ("BITBUCKET_BRANCH", "main"),
        ("BITBUCKET_PR_ID", "12"),
    ]);
    assert_eq!(bitbucket.id, bitbucket.source.build_url);
    assert_eq!(bitbucket.source.commit_url, text("https://bitbucket.org/northwind/orders/commits/0f3a"));
    assert_eq!(bitbucket.source.pull_request_url, text("https://bitbucket.org/northwind/orders/pull-requests/12"));
    assert_eq!(of(&[("GITHUB_SHA", "0f3a"), ("HOME", "/root")]), Run::default(), "no service");
}

#[test]
fn r68_what_the_server_wouldn_t_take_is_left_out() {
    let open = of(&[
        ("JENKINS_URL", "http://ci/"),
        ("GIT_COMMIT", "not a hash"),
        ("GIT_URL", "git@git.example.com:northwind/orders.git"),
        ("BUILD_URL", "http://ci/job/orders/7/"),
        ("BRANCH_NAME", "  "),
    ]);
    assert_eq!(
        open,
        Run { id: text("http://ci/job/orders/7/"), source: Source::default() },
        "the run is known all the same"
    );
    let branch = "b".repeat(256);
    let long = format!("https://ci.example.com/{}", "x".repeat(2_000));
    let ci = of(&[("JENKINS_URL", "https://ci/"), ("BUILD_URL", long.as_str()), ("GIT_BRANCH", branch.as_str())]);
    assert!(ci.source.is_empty() && ci.id.is_some());
    let given = Source { commit: text("beef"), ..Source::default() };
    let both = Source { commit: text("0f3a"), reference: text("main"), ..Source::default() }.overridden(given);
    assert_eq!((both.commit, both.reference), (text("beef"), text("main")));
}

#[test]
fn r68_the_address_of_a_commit_belongs_to_the_commit() {
    let found = Source {
        commit: text("0f3a5c77"),
        commit_url: text("https://github.com/northwind/orders/commit/0f3a5c77"),
        build_url: text("https://github.com/northwind/orders/actions/runs/7"),
        ..Source::default()
    };
    let with = |commit: Option<&str>, url: Option<&str>| {
        let given = Source { commit: commit.and_then(text), commit_url: url.and_then(text), ..Source::default() };
        let both = found.clone().overridden(given);
        assert_eq!(both.build_url, found.build_url, "the run is the same");
        (both.commit, both.commit_url)
    };
    assert_eq!(with(Some("beef"), None), (text("beef"), None));
    let url = "https://example.com/beef";
    assert_eq!(with(Some("beef"), Some(url)), (text("beef"), text(url)));
    assert_eq!(with(None, Some(url)), (text("0f3a5c77"), text(url)));
    assert_eq!(with(None, None), (found.commit.clone(), found.commit_url.clone()));
    for same in ["0f3a5c77", "0F3A5C77", "0f3a5c7"] {
        assert_eq!(with(Some(same), None), (text(same), found.commit_url.clone()), "{same}");
    }
    let without = Source { commit: None, ..found.clone() };
    let given = Source { commit: text("beef"), ..Source::default() };
    assert_eq!(without.overridden(given).commit_url, None, "an address of a commit that isn't known");
}

#[test]
fn a_request_id_belongs_to_a_run_a_command_and_its_arguments() {
    let run = Belonging::Run("7".into());
    let id = derived(&run, "package", &["a", "bc"]);
    assert_eq!(id, derived(&run, "package", &["a", "bc"]));
    assert!(id.len() <= 64 && id.starts_with("package-"), "{id}");
    let others = [
        derived(&Belonging::Run("8".into()), "package", &["a", "bc"]),
        derived(&Belonging::Commit("7".into()), "package", &["a", "bc"]),
        derived(&run, "release", &["a", "bc"]),
        derived(&run, "package", &["ab", "c"]),
        derived(&run, "package", &["a", "bc", ""]),
    ];
    assert!(others.iter().all(|other| *other != id), "{others:?}");
}
