"""Which codec at this boundary, what does it buy, or is it better to stay with the baseline?"""
