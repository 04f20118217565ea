"""Pictures and geometry in numpy and OpenCV; nothing here knows a model or imports torch."""
