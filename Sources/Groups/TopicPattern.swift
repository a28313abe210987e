// A topic expression, compiled by Debian's PCRE2 after `TopicPatternSyntax` has read it. The only file that calls the
// library.
//
// Rule: it is matched by the library's breadth-first matcher, which follows all ways through the expression at once
// and so takes no exponential time, and under limits of steps and memory. An expression that meets a limit matches
// nothing.

internal import CPcre2

/// An expression of topic names, which it must match as a whole.
@safe
package struct TopicPattern: ~Copyable {
    /// The longest expression, in bytes: what the key of a record can carry.
    package static let lengthLimit = Int(Int16.max)
    private static let stepLimit: UInt32 = 200_000
    private static let heapLimitKilobytes: UInt32 = 1024
    private static let workspaceCount = 16_384

    // Safety: owned by this value from init to deinit, and touched by one thread at a time as the value is.
    private let code: OpaquePointer
    private let context: OpaquePointer
    private let match: OpaquePointer
    private let workspace: UnsafeMutableBufferPointer<Int32>

    /// Reads an expression in RE2's syntax.
    package init(_ text: String) throws(TopicPatternProblem) {
        guard text.utf8.count <= TopicPattern.lengthLimit else {
            throw TopicPatternProblem(reason: "expression too long")
        }
        // The end stands in the expression: the library's own option for it does not hold for all ways that are
        // followed.
        let pattern = Array("(?:\(try TopicPatternSyntax.translate(text)))\\z".utf8)
        let options = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE
        var code: OpaquePointer?
        var problem: Int32 = 0
        var place = 0
        unsafe pattern.withUnsafeBufferPointer { pattern in
            // Safety: the library reads the pattern during the call only.
            unsafe code = pcre2_compile_8(pattern.baseAddress, pattern.count, options, &problem, &place, nil)
        }
        guard let code = unsafe code else { throw TopicPatternProblem(reason: TopicPattern.message(problem)) }
        guard let context = unsafe pcre2_match_context_create_8(nil),
            let match = unsafe pcre2_match_data_create_8(1, nil)
        else {
            unsafe pcre2_code_free_8(code)
            throw TopicPatternProblem(reason: "no memory")
        }
        _ = unsafe pcre2_set_match_limit_8(context, TopicPattern.stepLimit)
        _ = unsafe pcre2_set_heap_limit_8(context, TopicPattern.heapLimitKilobytes)
        unsafe self.code = code
        unsafe self.context = context
        unsafe self.match = match
        unsafe workspace = .allocate(capacity: TopicPattern.workspaceCount)
    }

    deinit {
        unsafe workspace.deallocate()
        unsafe pcre2_match_data_free_8(match)
        unsafe pcre2_match_context_free_8(context)
        unsafe pcre2_code_free_8(code)
    }

    /// Whether the whole of `topic` matches.
    package func matches(_ topic: String) -> Bool {
        let name = Array(topic.utf8)
        // Safety: the library reads the name and writes the workspace during the call only.
        let result = unsafe name.withUnsafeBufferPointer { name in
            unsafe pcre2_dfa_match_8(
                code, name.baseAddress, name.count, 0, 0, match, context, workspace.baseAddress, workspace.count)
        }
        // 0: more ways to match than there is room for; the longest one fits in any case.
        return result >= 0
    }

    private static func message(_ problem: Int32) -> String {
        var text = [UInt8](repeating: 0, count: 256)
        // Safety: the library writes at most as many bytes as it is told.
        let count = unsafe text.withUnsafeMutableBufferPointer {
            unsafe pcre2_get_error_message_8(problem, $0.baseAddress, $0.count)
        }
        return count > 0 ? String(decoding: text.prefix(Int(count)), as: UTF8.self) : "malformed expression"
    }
}
