"""What each part of the paper is worth: the rows of its Table 3, trained and measured alike."""
