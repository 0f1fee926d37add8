//! One change, with its kind and its grade.

use serde::Serialize;

/// What a change can do to a client that was written for the old schema. A higher grade is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Criticality {
    /// Every document stays valid and means the same.
    NonBreaking,
    /// Every document stays valid, but an answer or its meaning may be one that the client doesn't expect.
    Dangerous,
    /// A valid document may be refused, or an answer lacks what the client reads.
    Breaking,
}

/// One change between two schemas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub criticality: Criticality,
    #[serde(rename = "type")]
    pub kind: ChangeKind,
    /// Where: `Type`, `Type.field`, `Type.field.argument`, `@directive`. A change of a root type has none.
    pub path: Option<String>,
    /// What happened there, in words that go on after the path.
    pub message: String,
}

/// The kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChangeKind {
    SchemaQueryTypeChanged,
    SchemaMutationTypeChanged,
    SchemaSubscriptionTypeChanged,
    TypeRemoved,
    TypeAdded,
    TypeKindChanged,
    TypeDescriptionAdded,
    TypeDescriptionChanged,
    TypeDescriptionRemoved,
    ObjectTypeInterfaceAdded,
    ObjectTypeInterfaceRemoved,
    UnionMemberAdded,
    UnionMemberRemoved,
    FieldRemoved,
    FieldAdded,
    FieldDescriptionAdded,
    FieldDescriptionChanged,
    FieldDescriptionRemoved,
    FieldDeprecationAdded,
    FieldDeprecationRemoved,
    FieldDeprecationReasonAdded,
    FieldDeprecationReasonChanged,
    FieldDeprecationReasonRemoved,
    FieldTypeChanged,
    FieldArgumentAdded,
    FieldArgumentRemoved,
    FieldArgumentDescriptionChanged,
    FieldArgumentDefaultChanged,
    FieldArgumentTypeChanged,
    InputFieldRemoved,
    InputFieldAdded,
    InputFieldDescriptionAdded,
    InputFieldDescriptionChanged,
    InputFieldDescriptionRemoved,
    InputFieldDefaultValueChanged,
    InputFieldTypeChanged,
    EnumValueRemoved,
    EnumValueAdded,
    EnumValueDescriptionChanged,
    EnumValueDeprecationReasonAdded,
    EnumValueDeprecationReasonChanged,
    EnumValueDeprecationReasonRemoved,
    DirectiveRemoved,
    DirectiveAdded,
    DirectiveDescriptionChanged,
    DirectiveRepeatableAdded,
    DirectiveRepeatableRemoved,
    DirectiveLocationAdded,
    DirectiveLocationRemoved,
    DirectiveArgumentAdded,
    DirectiveArgumentRemoved,
    DirectiveArgumentDescriptionChanged,
    DirectiveArgumentDefaultValueChanged,
    DirectiveArgumentTypeChanged,
    DirectiveUsageSchemaAdded,
    DirectiveUsageSchemaRemoved,
    DirectiveUsageScalarAdded,
    DirectiveUsageScalarRemoved,
    DirectiveUsageObjectAdded,
    DirectiveUsageObjectRemoved,
    DirectiveUsageInterfaceAdded,
    DirectiveUsageInterfaceRemoved,
    DirectiveUsageUnionMemberAdded,
    DirectiveUsageUnionMemberRemoved,
    DirectiveUsageEnumAdded,
    DirectiveUsageEnumRemoved,
    DirectiveUsageEnumValueAdded,
    DirectiveUsageEnumValueRemoved,
    DirectiveUsageInputObjectAdded,
    DirectiveUsageInputObjectRemoved,
    DirectiveUsageInputFieldDefinitionAdded,
    DirectiveUsageInputFieldDefinitionRemoved,
    DirectiveUsageFieldDefinitionAdded,
    DirectiveUsageFieldDefinitionRemoved,
    DirectiveUsageArgumentDefinitionAdded,
    DirectiveUsageArgumentDefinitionRemoved,
    DirectiveUsageArgumentAdded,
    DirectiveUsageArgumentRemoved,
}
