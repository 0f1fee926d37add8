//! The settings of the JWTs that a server accepts, and the tasks that read the keys of their issuers.

use crate::app::{App, AppError};
use crate::clock::Clock;
use crate::config::{JwtAlgorithm, JwtArgs, ServeArgs};
use crate::jwt::{Jwt, JwtSettings, PipelineSettings, Source};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::CliError;
use super::supervising::supervise;

/// The settings for JWTs of the identity provider; `None` if the options don't configure them.
pub(super) fn jwt_settings(args: &JwtArgs) -> Result<Option<JwtSettings>, CliError> {
    let (Some(source), Some(issuer), Some(audience)) = (&args.jwks, &args.jwt_issuer, &args.jwt_audience) else {
        return Ok(None);
    };
    Ok(Some(JwtSettings {
        source: Source::parse(source).map_err(|why| CliError::new(format!("--jwks (PACKWRIGHT_JWKS): {why}.")))?,
        issuer: issuer.clone(),
        audience: audience.clone(),
        types: args.jwt_types.clone(),
        algorithms: algorithms(args)?,
        account_claim: args.jwt_account_claim.clone(),
        role_claim: args.jwt_role_claim.clone(),
        leeway: chrono::Duration::seconds(args.jwt_leeway.into()),
        refresh: args.refresh(),
    }))
}

fn algorithms<T: std::str::FromStr>(args: &JwtArgs) -> Result<Vec<T>, CliError> {
    let algorithm_of = |algorithm: &JwtAlgorithm| algorithm.name().parse().map_err(|_| CliError::new(algorithm.name()));
    args.jwt_algorithms.iter().map(algorithm_of).collect()
}

/// The settings for JWTs of pipelines; `None` if no issuer is allowed.
pub(super) fn pipeline_settings(args: &ServeArgs) -> Result<Option<PipelineSettings>, CliError> {
    let issuers = args.trusted.issuers(args.demo);
    let Some(audience) = args.trusted.audience(args.demo, &args.public_host).filter(|_| !issuers.is_empty()) else {
        return Ok(None);
    };
    Ok(Some(PipelineSettings {
        algorithms: algorithms(&args.jwt)?,
        leeway: chrono::Duration::seconds(args.jwt.jwt_leeway.into()),
        refresh: args.jwt.refresh(),
        ..PipelineSettings::new(issuers, audience)
    }))
}

/// Checks the settings, and the key set if it is a file.
pub(super) async fn check(args: &ServeArgs) -> Result<(), CliError> {
    pipeline_settings(args)?;
    if let Some(jwt) = jwt_settings(&args.jwt)?.filter(|jwt| matches!(jwt.source, Source::File(_))) {
        Jwt::open(jwt, Clock::system().now()).await.map_err(AppError::Jwks)?;
    }
    Ok(())
}

/// The tasks that read the keys again and again. Aborting one leaves nothing incomplete.
pub(super) fn keep_keys(app: &App, ending: &watch::Receiver<bool>) -> Vec<JoinHandle<()>> {
    let clock = app.services.clock.clone();
    let mut tasks = Vec::new();
    if let Some(jwt) = app.services.jwt.clone() {
        let clock = clock.clone();
        tasks.push(tokio::spawn(supervise("the keys of JWTs", ending.clone(), move |ending| {
            let (jwt, clock) = (jwt.clone(), clock.clone());
            jwt.run(move || clock.now(), ending)
        })));
    }
    let pipelines = app.services.pipelines.clone();
    if !pipelines.is_empty() {
        tasks.push(tokio::spawn(supervise("the keys of pipelines' JWTs", ending.clone(), move |ending| {
            let (pipelines, clock) = (pipelines.clone(), clock.clone());
            pipelines.run(move || clock.now(), ending)
        })));
    }
    tasks
}
