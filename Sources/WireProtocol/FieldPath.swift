// The search for values that a version cannot carry, through optional values and arrays.

/// Paths of fields below a field, as `unsupportedField` of the generated structs needs them.
enum FieldPath {
    @inline(never)
    @_semantics("optimize.sil.specialize.generic.never")
    static func unsupported(_ value: some WireStruct, _ version: Int16) -> String? {
        value.unsupportedField(version: version).map { ".\($0)" }
    }

    @inline(never)
    @_semantics("optimize.sil.specialize.generic.never")
    static func unsupported<Value: WireStruct>(_ value: Value?, _ version: Int16) -> String? {
        value?.unsupportedField(version: version).map { ".\($0)" }
    }

    @inline(never)
    @_semantics("optimize.sil.specialize.generic.never")
    static func unsupported(_ values: [some WireStruct], _ version: Int16) -> String? {
        for (index, value) in values.enumerated() {
            if let field = value.unsupportedField(version: version) { return "[\(index)].\(field)" }
        }
        return nil
    }

    @inline(never)
    @_semantics("optimize.sil.specialize.generic.never")
    static func unsupported<Value: WireStruct>(_ values: [Value]?, _ version: Int16) -> String? {
        values.flatMap { unsupported($0, version) }
    }
}
