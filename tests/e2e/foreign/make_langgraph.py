"""Made langgraph.sqlite beside this file: run it where langgraph 1.2 and langgraph-checkpoint-sqlite 3.1 are installed.

The tests read the file it made, so that they need neither.
"""

from __future__ import annotations

from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph

SAID = {"Where does tram 28 begin?": "It begins at Martim Moniz.", "And where does it end?": "It ends in Campo de Ourique."}


def answer(state: MessagesState) -> dict[str, list[AIMessage | ToolMessage]]:
    """Answer the last message; look up a timetable when it asks for one."""
    asked = str(state["messages"][-1].content)
    if "timetable" not in asked:
        return {"messages": [AIMessage(SAID.get(asked, "I do not know."), name="guide")]}
    call = {"name": "look_up", "args": {"line": 28}, "id": "call_1"}
    return {
        "messages": [
            AIMessage("", tool_calls=[call]),
            ToolMessage("every 11 minutes", tool_call_id="call_1", name="look_up"),
            AIMessage([{"type": "text", "text": "Every 11 minutes."}]),
        ]
    }


def main() -> None:
    """Have two conversations."""
    graph = StateGraph(MessagesState)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    path = Path(__file__).with_name("langgraph.sqlite")
    path.unlink(missing_ok=True)
    with SqliteSaver.from_conn_string(str(path)) as saver:
        app = graph.compile(checkpointer=saver)
        lisbon = {"configurable": {"thread_id": "lisbon"}}
        begun = [SystemMessage("You know the trams."), HumanMessage("Where does tram 28 begin?", name="ann")]
        app.invoke({"messages": begun}, lisbon)
        app.invoke({"messages": [HumanMessage("And where does it end?")]}, lisbon)
        app.invoke({"messages": [HumanMessage("What is its timetable?")]}, lisbon)
        app.invoke({"messages": [HumanMessage("Who are you?")]}, {"configurable": {"thread_id": "porto"}})
        saver.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        saver.conn.execute("PRAGMA journal_mode = DELETE")


if __name__ == "__main__":
    main()
