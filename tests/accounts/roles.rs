//! The table of roles and privileges in section 2, row by row.

use packwright::domain::accounts::{Privilege, Role};

#[test]
fn r01_each_role_has_the_privileges_of_the_table() {
    use Privilege as P;
    let roles = [Role::Administrator, Role::StandardUser, Role::ProductionSupport, Role::Support];
    let table = [
        (P::IntegrationPack, [true, true, false, false]),
        (P::PackagedComponentManagement, [true, true, false, false]),
        (P::AccountGroupManagement, [true, false, false, false]),
        (P::AccountAdministration, [true, false, false, false]),
        (P::ApplyUpdates, [true, true, true, false]),
        (P::Read, [true, true, true, true]),
        (P::ViewAuditLog, [true, false, false, false]),
    ];
    for (privilege, expected) in table {
        for (role, expected) in roles.into_iter().zip(expected) {
            assert_eq!(role.allows(privilege), expected, "{role:?} {}", privilege.name());
            assert_eq!(role.privileges().contains(&privilege), expected);
        }
    }
    for role in roles {
        assert_eq!(
            role.privileges().len(),
            table.iter().filter(|(p, _)| role.allows(*p)).count(),
            "{role:?} has one twice"
        );
    }
}
