// The build-tool plugin of `WireProtocol`: runs ProtocolGenerator over `Protocol/` when one of its files has changed.
// One command makes all files, because the index needs all messages; the generator leaves unchanged files alone.

import Foundation
import PackagePlugin

@main
struct GenerateProtocol: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let root = context.package.directoryURL.appending(path: "Protocol").resolvingSymlinksInPath()
        let output = context.pluginWorkDirectoryURL
        var inputs: [URL] = []
        let files = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)
        while let file = files?.nextObject() as? URL {
            if file.pathExtension == "schema" || file.lastPathComponent == "error-codes.tsv" { inputs.append(file) }
        }
        inputs.sort { $0.path < $1.path }
        let schemas = inputs.filter { $0.pathExtension == "schema" }
        let names = schemas.map { $0.deletingPathExtension().lastPathComponent } + ["Messages", "ErrorCode+Table"]
        let generator = try context.tool(named: "ProtocolGenerator")
        return [
            .buildCommand(
                displayName: "Generating the wire protocol", executable: generator.url,
                arguments: ["--output", output.path] + inputs.map(\.path), inputFiles: inputs,
                outputFiles: names.map { output.appending(path: "\($0).swift") })
        ]
    }
}
