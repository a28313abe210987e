// AlterConfigs, which replaces all values of a resource, and IncrementalAlterConfigs (KIP-339), which changes some: the
// controller decides. Each resource succeeds or fails by itself.

internal import Controller
internal import WireProtocol

enum AlterConfigsHandler {
    static func handle(_ request: AlterConfigsRequest, _ call: Call) {
        let changes = request.resources.map { resource in
            ResourceChange(
                type: resource.resourceType, name: resource.resourceName,
                changes: resource.configs.map { ConfigurationChange(key: $0.name, operation: .set, value: $0.value) },
                replacesAll: true)
        }
        let isDryRun = request.validateOnly
        call.shard.broker.decide(on: call.loop, { $0.alterConfigurations(changes, validateOnly: isDryRun) }) { result in
            call.answer(
                AlterConfigsResponse {
                    $0.responses = results(result, of: changes).map { result in
                        AlterConfigsResponse.AlterConfigsResourceResponse {
                            $0.errorCode = result.code
                            $0.errorMessage = result.message
                            $0.resourceType = result.type
                            $0.resourceName = result.name
                        }
                    }
                })
        }
    }

    /// What the controller answered, or its failure once for each resource.
    static func results(
        _ result: Result<[ResourceResult], MetadataFailure>, of changes: [ResourceChange]
    ) -> [ResourceResult] {
        switch result {
        case .success(let results): results
        case .failure(let failure):
            changes.map { ResourceResult(type: $0.type, name: $0.name, code: failure.code, message: nil) }
        }
    }
}

enum IncrementalAlterConfigsHandler {
    static func handle(_ request: IncrementalAlterConfigsRequest, _ call: Call) {
        let changes = request.resources.map { resource in
            ResourceChange(
                type: resource.resourceType, name: resource.resourceName,
                changes: resource.configs.map {
                    ConfigurationChange(
                        key: $0.name, operation: ConfigurationChange.Operation(rawValue: $0.configOperation),
                        value: $0.value)
                }, replacesAll: false)
        }
        let isDryRun = request.validateOnly
        call.shard.broker.decide(on: call.loop, { $0.alterConfigurations(changes, validateOnly: isDryRun) }) { result in
            call.answer(
                IncrementalAlterConfigsResponse {
                    $0.responses = AlterConfigsHandler.results(result, of: changes).map { result in
                        IncrementalAlterConfigsResponse.AlterConfigsResourceResponse {
                            $0.errorCode = result.code
                            $0.errorMessage = result.message
                            $0.resourceType = result.type
                            $0.resourceName = result.name
                        }
                    }
                })
        }
    }
}
