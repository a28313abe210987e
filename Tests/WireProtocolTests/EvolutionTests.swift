// The schemas keep to what the last release has put on the wire and on disk, and the check that says so sees each kind
// of violation.

import Foundation
import ProtocolSchema
import Testing

@Suite struct EvolutionTests {
    private let base = """
        -- A message.
        request FooRequest  key 7  versions 1-3  flexible 3+  listeners broker {
            Name   string?  2+  = null  -- A name.
            Count  int32    -- A count.
            Extra  int64    3+  tag 0  -- An extra.
            Items  [Item] {  -- Items.
                Id  uuid  -- An id.
            }
        }

        -- An answer.
        response FooResponse  key 7  versions 1-3  flexible 3+ {
            ErrorCode  error  -- An error.
        }
        """

    private func violations(_ old: String, _ new: String) throws -> [String] {
        let schemas = try Parser.parse(base.replacingOccurrences(of: old, with: new), file: "Foo")
        return EvolutionLock.violations(of: EvolutionLock.text(of: try Parser.parse(base, file: "Foo")), in: schemas)
    }

    @Test func `the schemas break nothing that the last release has promised`() throws {
        let path = Folders.protocolFiles.appendingPathComponent("evolution.lock")
        let lock = try String(contentsOf: path, encoding: .utf8)
        #expect(EvolutionLock.violations(of: lock, in: try Schemas.all.get()) == [])
        #expect(lock.split(separator: "\n").count > 2000)
    }

    @Test func `the schemas keep the rules of the notation`() throws {
        let schemas = try Schemas.all.get()
        #expect(throws: Never.self) { try Validation.check(schemas) }
    }

    @Test(arguments: [
        ("string?  2+  = null", "bytes?  2+  = null", "FooRequest: Name changed its type from string to bytes"),
        ("tag 0", "tag 1", "FooRequest: Extra changed its tag from 0 to 1"),
        ("Extra  int64    3+  tag 0", "Other  int64  3+  tag 0", "FooRequest: Other takes tag 0 of Extra"),
        ("versions 1-3  flexible", "versions 2-3  flexible", "FooRequest: versions narrowed from 1-3 to 2-3"),
        ("flexible 3+", "flexible 2+", "FooRequest: first flexible version changed"),
        ("string?  2+", "string?  3+", "FooRequest: Name changed its versions from 2-3 to 3"),
        ("string?  2+  = null", "string  2+", "FooRequest: Name changed where it may be null"),
        ("Count  int32 ", "Count  int32  = 5 ", "FooRequest: Count changed its default from - to 5"),
        ("    Count  int32    -- A count.\n", "", "FooRequest: Count removed"),
        ("request FooRequest", "request BarRequest", "FooRequest: removed"),
        ("request FooRequest  key 7", "request FooRequest  key 8", "FooRequest: kind or key changed"),
        ("Id  uuid  -- An id.", "Id  uuid  -- An id.\nMore  int8  -- More.", "FooRequest: Item.More is new in locked versions without a tag"),
        ("    Name   string?  2+  = null  -- A name.\n    Count  int32    -- A count.\n",
         "    Count  int32    -- A count.\n    Name   string?  2+  = null  -- A name.\n",
         "FooRequest: the order of fields changed"),
    ])
    func `refuses what would break peers`(_ old: String, _ new: String, _ expected: String) throws {
        #expect(base.contains(old))
        #expect(try violations(old, new).contains(expected))
    }

    @Test(arguments: [
        ("versions 1-3  flexible", "versions 1-4  flexible"),
        ("Extra  int64    3+  tag 0  -- An extra.", "Extra  int64    3+  tag 0  -- An extra.\nMore  int32  3+  tag 1  -- More."),
        ("A count.", "How many there are."),
    ])
    func `lets the protocol grow`(_ old: String, _ new: String) throws {
        #expect(base.contains(old))
        #expect(try violations(old, new) == [])
    }

    @Test func `a new version may have new fields`() throws {
        let grown = base.replacingOccurrences(of: "versions 1-3", with: "versions 1-4")
            .replacingOccurrences(of: "Id  uuid  -- An id.", with: "Id  uuid  -- An id.\nMore  int8  4+  -- More.")
        let lock = EvolutionLock.text(of: try Parser.parse(base, file: "Foo"))
        #expect(EvolutionLock.violations(of: lock, in: try Parser.parse(grown, file: "Foo")) == [])
    }

    @Test(arguments: [
        ("Count  int32    -- A count.", "Count  int33    -- A count.", "'int33' is no type"),
        ("Count  int32    -- A count.", "Count  int32    twice  -- A count.", "unknown word 'twice'"),
        ("Count  int32    -- A count.", "Count  int32", "field Count has no description"),
        ("Count  int32    -- A count.", "Count  int32  = 3000000000  -- A count.", "'3000000000' is no default for int32 in all of its versions"),
        ("Count  int32    -- A count.", "Count  [Thing]  -- A count.", "there is no struct Thing"),
        ("Count  int32    -- A count.", "Count  int32?  -- A count.", "int32 has no null"),
        ("Count  int32    -- A count.", "Name  int32  -- A count.", "field Name is declared twice"),
        ("Count  int32    -- A count.", "Count  int32  5+  -- A count.", "no version of the struct is in 5+"),
        ("Count  int32    -- A count.", "Count  int32  tag 4  -- A count.", "field Count has a tag in a version that is not flexible"),
        ("Id  uuid", "Id  [Item]", "struct Item holds itself"),
        ("key 7  versions 1-3  flexible 3+ {", "key 9  versions 1-3  flexible 3+ {", "FooRequest has no response of the same versions"),
        ("-- A message.\n", "", "FooRequest has no description"),
    ])
    func `refuses a schema that is wrong, and says why`(_ old: String, _ new: String, _ reason: String) throws {
        #expect(base.contains(old))
        let source = base.replacingOccurrences(of: old, with: new)
        let error = #expect(throws: SchemaError.self) { try Validation.check(try Parser.parse(source, file: "Foo")) }
        #expect(error?.reason == reason)
    }
}
