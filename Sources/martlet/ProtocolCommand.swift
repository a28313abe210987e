// `martlet protocol`: the page of the documentation that tells which requests are served, from the dispatch table itself.

import Broker

enum ProtocolCommand {
    static let spec = CommandSpec(
        name: "protocol", summary: "Print which requests and versions a broker serves, as Markdown.",
        examples: [("martlet protocol > Docs/protocol-support.md", "the page of the documentation")], isClient: false,
        run: { arguments in
            try arguments.refuseMore(than: 0)
            try TextTable.print(ProtocolSupport.markdown)
            return 0
        })
}
