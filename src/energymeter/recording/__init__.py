"""Keep what goes over a link, show it, write it for Wireshark, and be the meter it came from.

`Recorder`, `Tracer` and `PcapWriter` are taps of a link; `TapGroup` makes one of several. What they
and others wrote is read by `traffic`, served by `replay` and compared by `diff`.
"""

from energymeter.recording.format import NotedValue
from energymeter.recording.pcap import PcapWriter
from energymeter.recording.recorder import Recorder, noted_values
from energymeter.recording.trace import TapGroup, Tracer

__all__ = ["NotedValue", "PcapWriter", "Recorder", "TapGroup", "Tracer", "noted_values"]
