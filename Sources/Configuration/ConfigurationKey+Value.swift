// Whether a text is a value of a key.

extension ConfigurationKey {
    /// The reason why `text` is no value of this key; nil if it is one.
    package func objection(to text: String) -> String? {
        switch kind {
        case .bool:
            let word = trimmed(text).lowercased()
            return word == "true" || word == "false" ? nil : "Expected value to be either true or false"
        case .int:
            guard let value = Int32(trimmed(text)) else { return "Not a number of type INT" }
            return objection(toNumber: Double(value))
        case .long:
            guard let value = Int64(trimmed(text)) else { return "Not a number of type LONG" }
            return objection(toNumber: Double(value))
        case .double:
            guard let value = Double(trimmed(text)) else { return "Not a number of type DOUBLE" }
            return objection(toNumber: value)
        case .string, .password:
            if case .oneOf(let choices) = range, !choices.contains(text) { return choiceReason(choices) }
            return nil
        case .list where range == .replicas:
            return ThrottledReplicas(text) == nil
                ? "\(name) must be the literal '*' or a list of replicas in the following format:"
                    + " [partitionId]:[brokerId],[partitionId]:[brokerId],..." : nil
        case .list:
            guard case .oneOf(let choices) = range else { return nil }
            return splitList(text).allSatisfy(choices.contains) ? nil : choiceReason(choices)
        }
    }

    private func choiceReason(_ choices: [String]) -> String { "String must be one of: " + choices.joined(separator: ", ") }

    private func objection(toNumber value: Double) -> String? {
        guard case .between(let low, let high) = range else { return nil }
        if let low, value < low { return "Value must be at least \(spelled(low))" }
        if let high, value > high { return "Value must be no more than \(spelled(high))" }
        return nil
    }

    private func spelled(_ number: Double) -> String {
        number == number.rounded() && abs(number) < 1e15 ? String(Int64(number)) : String(number)
    }
}

/// A whole number as a value of a key: spaces around it do not count.
package func wholeNumber(_ text: String) -> Int? { Int(trimmed(text)) }

/// Whether a value of a key says yes: neither spaces around it nor its case count.
package func isTrue(_ text: String) -> Bool { trimmed(text).lowercased() == "true" }

/// A number as a value of a key, in the same way.
package func realNumber(_ text: String) -> Double? { Double(trimmed(text)) }

/// The items of a list value, without the spaces around them.
package func splitList(_ text: String) -> [String] {
    text.split(separator: ",").map { trimmed($0) }.filter { !$0.isEmpty }
}
